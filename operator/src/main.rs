//! pullsecrets
fn main(){}
