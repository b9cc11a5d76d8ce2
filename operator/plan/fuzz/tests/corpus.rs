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

#[test]
fn whatever_is_given_as_a_docker_config_is_refused_in_silence_or_comes_back_as_it_is() {
    each("docker_config", fuzz::docker_config);
}

#[test]
fn whatever_is_given_as_a_server_is_refused_in_silence_or_serves_an_image() {
    each("server", fuzz::server);
}
