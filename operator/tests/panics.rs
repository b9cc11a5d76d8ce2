//! A panic logs its place, and no values. The hook belongs to the whole process, so this test has a process to itself.

use std::io::Write;
use std::sync::{Arc, Mutex};

const CANARY: &str = "canary-hunter2-ü";

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("one writer").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Returns what is logged when `careless` panics.
fn logged(log: &Log, careless: fn()) -> String {
    log.0.lock().expect("one writer").clear();
    let panicked = std::panic::catch_unwind(careless);
    assert!(panicked.is_err(), "it panics");
    let bytes = log.0.lock().expect("one writer").clone();
    String::from_utf8(bytes).expect("text")
}

#[test]
#[expect(clippy::string_slice, reason = "panics are what this is about")]
fn a_panic_is_logged_with_its_place_and_without_the_values_at_hand() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_writer(move || writer.clone())
        .init();
    operator::observability::panics::log();
    let quoting: [fn(); 4] = [
        // Here the standard library quotes the whole text.
        || drop(CANARY[..CANARY.len() - 1].to_owned()),
        || drop("no number".parse::<u8>().map_err(|_| CANARY).unwrap().to_string()),
        || panic!("the password is {CANARY}"),
        || std::panic::panic_any(CANARY.to_owned()),
    ];
    for careless in quoting {
        let told = logged(&log, careless);
        assert!(told.contains("operator/tests/panics.rs:"), "no place: {told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
    let told = logged(&log, || panic!("a fixed text"));
    assert!(told.contains("a fixed text"), "{told}");
}
