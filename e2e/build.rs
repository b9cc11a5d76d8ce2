//! Decides whether tests that need a real node can run here.
//!
//! Where they cannot, `no_node` is set, which marks them as ignored, and Cargo prints what the machine lacks. With
//! `PULLSECRETS_E2E_NODE=required` they run in any case, and fail. What is decided stays until this file is touched, or
//! until another user compiles.
#[expect(unreachable_pub, reason = "it is a module of the crate, too")]
#[path = "src/machine.rs"]
mod machine;

/// The variable that makes a machine without a node an error.
const REQUIRED: &str = "PULLSECRETS_E2E_NODE";

fn main() {
    println!("cargo::rustc-check-cfg=cfg(no_node)");
    println!("cargo::rerun-if-env-changed={REQUIRED}");
    // Another user has another one. A script that always ran would make Cargo compile the crate each time.
    println!("cargo::rerun-if-env-changed=HOME");
    println!("cargo::rerun-if-changed=src/machine.rs");
    if std::env::var_os(REQUIRED).is_some_and(|value| value == "required") {
        return;
    }
    if let Some(missing) = machine::missing() {
        println!("cargo::rustc-cfg=no_node");
        println!("cargo::warning=no node on this machine, so its tests are ignored: it lacks {missing}");
    }
}
