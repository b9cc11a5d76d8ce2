//! The fault campaign: what users do, with one fault at each moment, judged by oracles that know nothing of the operator's
//! code. `main` carries out all of it, `power` asks whether it is blind.
//!
//! | module | what it gives |
//! |---|---|
//! | [`plans`] | which plans there are |
//! | [`supervisor`] | the operator's process, started again whenever it ends, as a kubelet does |
//! | [`stage`] | a cluster, a proxy before each of two replicas, and supervised operators, made clean for each run |
//! | [`workload`] | what users do meanwhile |
//! | [`history`] | every version of every Secret and account on the way, and what must hold at each step |
//! | [`verdict`] | what may be found wrong |
//! | [`run`](mod@run) | one plan carried out and judged |
//! | [`bugs`] | what the campaign must notice |

pub mod bugs;
pub mod history;
pub mod plans;
pub mod run;
pub mod stage;
pub mod supervisor;
pub mod verdict;
pub mod workload;
