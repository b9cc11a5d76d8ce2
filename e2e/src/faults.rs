//! Faults between the operator and the API server: a proxy that can kill, answer in the server's place, lose answers, and
//! cut, repeat or hold back what a watch tells.
//!
//! | module | what it gives |
//! |---|---|
//! | [`plan`] | one fault and when it strikes, as one line of JSON |
//! | [`proxy`] | HTTP/1.1 in, the API server out |
//! | `weather` | what goes wrong with everything for a while |
//! | [`supervisor`] | the operator's process, started again whenever it ends, as a kubelet does |
//! | [`stage`] | a cluster, a proxy before each of two replicas, and supervised operators, made clean for each run |
//! | [`workload`] | what users do meanwhile |
//! | [`history`] | every version of every Secret and account on the way, and what must hold at each step |
//! | [`verdict`] | what may be found wrong |
//! | [`run`](mod@run) | one plan carried out and judged |
//! | [`campaign`] | which plans there are |
//! | [`bugs`] | what the campaign must notice |

mod about;
mod answers;
pub mod bugs;
pub mod campaign;
pub mod history;
pub mod plan;
pub mod proxy;
pub mod run;
pub mod stage;
pub mod supervisor;
pub mod verdict;
mod watching;
mod weather;
pub mod workload;
