//! Tests of the metrics as text.

use super::*;

#[test]
fn the_table_in_config_is_current() {
    let stored = include_str!("../../../../config/monitoring/metrics.md");
    assert!(
        stored == table(),
        "the table is stale, run: cargo metricsgen > config/monitoring/metrics.md"
    );
}

#[tokio::test(start_paused = true)]
async fn the_text_is_rendered_once_for_all_scrapes() {
    let metrics = Metrics::new(Leadership::alone(), WatchHealth::new());
    let first = metrics.text();
    metrics.wrote("create", "done");
    assert_eq!(metrics.text().as_ptr(), first.as_ptr(), "the same text, not a copy");
    tokio::time::advance(RENDER_INTERVAL).await;
    let text = String::from_utf8(metrics.text().to_vec()).unwrap();
    let written = r#"pullsecrets_writes_total{kind="create",result="done"} 1"#;
    assert!(text.contains(written), "{text}");
}

#[test]
fn series_end_with_their_object_and_escape_it() {
    let metrics = Metrics::new(Leadership::alone(), WatchHealth::new());
    let before = metrics.render();
    assert!(before.contains("\npullsecrets_leader 1\n"), "{before}");
    metrics.object(&"a\"b".into(), Facts::default());
    let text = metrics.render();
    assert!(
        text.contains(r#"pullsecrets_object_state{object="a\"b",state="Progressing"} 1"#),
        "{text}"
    );
    metrics.forget_object("a\"b");
    let series = |text: &str| text.lines().filter(|line| !line.starts_with("process_")).count();
    assert_eq!(series(&metrics.render()), series(&before));
}

#[test]
fn all_series_of_writes_exist_from_the_start() {
    let metrics = Metrics::new(Leadership::new(), WatchHealth::new());
    metrics.wrote("create", "done");
    let text = metrics.render();
    assert!(
        text.contains(r#"pullsecrets_writes_total{kind="create",result="done"} 1"#),
        "{text}"
    );
    assert!(
        text.contains(r#"pullsecrets_writes_total{kind="event",result="throttled"} 0"#),
        "{text}"
    );
    let series = text
        .lines()
        .filter(|line| line.starts_with("pullsecrets_writes_total{"));
    assert_eq!(series.count(), WRITES.len() * RESULTS.len());
}
