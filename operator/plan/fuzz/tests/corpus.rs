//! What the fuzzer has found worth keeping, and every input that ever broke something, with any `cargo test`.

use std::path::Path;

fn each(of: &str, holds: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(of);
    let mut given = 0;
    for file in std::fs::read_dir(folder).expect("there is a corpus") {
        let path = file.expect("it can be listed").path();
        // What a panic below does not say.
        eprintln!("{}", path.display());
        holds(&std::fs::read(path).expect("it can be read"));
        given += 1;
    }
    assert!(given > 40, "{given} inputs are no corpus");
}

/// Any input is rejected without showing a value, or comes back unchanged from what is written for it.
#[test]
fn docker_config_inputs_fail_safely_or_round_trip() {
    each("docker_config", fuzz::docker_config);
}

/// Any input is rejected without showing a value, or serves an image.
#[test]
fn server_inputs_fail_safely_or_serve() {
    each("server", fuzz::server);
}
