//! Fault campaign: actions of users with one fault at each moment, checked by oracles that share no code with the
//! operator. `main` runs all of it; `power` measures whether it notices bugs.
//!
//! # Rooms
//!
//! Each line uses only lines below it; `.ci/checks walls` reads this.
//!
//! ```text
//! plans         the list of plans
//! run           one plan, run and checked
//! workload      the actions of users
//! history       every version of every Secret and account, and the rules for each step
//! verdict       the kinds of errors
//! end           the expected state at the end
//! env           a cluster, a proxy before each of two replicas, and supervised operators, made clean for each run
//! supervisor    the operator's process, started again whenever it ends, as a kubelet does
//! bugs          bugs that the campaign must notice
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
