//! Faults between the operator and the API server: a proxy that can kill, answer in the server's place, lose answers, and
//! cut, repeat or hold back what a watch tells.
//!
//! | module | what it gives |
//! |---|---|
//! | [`plan`] | one fault and when it strikes, as one line of JSON |
//! | [`proxy`] | HTTP/1.1 in, the API server out |
//! | [`supervisor`] | the operator's process, started again whenever it ends, as a kubelet does |
//! | [`stage`] | a cluster, a proxy and a supervised operator, made clean for each run |
//! | [`workload`] | what users do meanwhile |
//! | [`run`](mod@run) | one plan carried out and judged |

pub mod campaign;
pub mod plan;
pub mod proxy;
pub mod run;
pub mod stage;
pub mod supervisor;
mod watching;
pub mod workload;
