//! What holds when the operator is not there all the time, and when nothing happens at all.

mod downtime;
mod silence;
