//! The plugin `kubectl pullsecrets`.

fn main() {}
