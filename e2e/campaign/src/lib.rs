//! The fault campaign: what users do, with one fault at each moment, judged by oracles that know nothing of the operator's
//! code. `main` carries out all of it, `power` asks whether it is blind.
//!
//! # Rooms
//!
//! Each line uses only lines below it; `.ci/checks walls` reads this.
//!
//! ```text
//! plans         which plans there are
//! run           one plan carried out and judged
//! workload      what users do meanwhile
//! history       every version of every Secret and account on the way, and what must hold at each step
//! verdict       what may be found wrong
//! end           what must be true at the end
//! env           a cluster, a proxy before each of two replicas, and supervised operators, made clean for each run
//! supervisor    the operator's process, started again whenever it ends, as a kubelet does
//! bugs          what the campaign must notice
//! ```

pub mod bugs;
pub mod end;
pub mod env;
pub mod history;
pub mod plans;
pub mod run;
pub mod supervisor;
pub mod verdict;
pub mod workload;
