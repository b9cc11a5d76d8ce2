//! Registers each metric, and makes the table of all metrics.

use std::fmt::Write as _;

use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::{Metric, Registry, Unit};

use crate::api::watch_health::WatchHealth;
use crate::leadership::Leadership;

/// A registry that remembers its metrics.
#[derive(Default)]
pub(super) struct Catalogue {
    registry: Registry,
    rows: Vec<Row>,
}

struct Row {
    name: String,
    kind: &'static str,
    unit: String,
    labels: String,
    help: &'static str,
}

impl Catalogue {
    /// Registers a metric and returns it.
    pub(super) fn add<M: Metric + TypedMetric + Clone>(
        &mut self,
        name: &str,
        unit: Option<Unit>,
        labels: &[&str],
        help: &'static str,
        metric: M,
    ) -> M {
        let (kind, ending) = match M::TYPE {
            MetricType::Counter => ("counter", "_total"),
            MetricType::Histogram => ("histogram", ""),
            // No other type is used.
            MetricType::Gauge | MetricType::Info | MetricType::Unknown => ("gauge", ""),
        };
        let of = unit
            .as_ref()
            .map_or_else(String::new, |unit| format!("_{}", unit.as_str()));
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        self.rows.push(Row {
            name: format!("{name}{of}{ending}"),
            kind,
            unit: of.trim_start_matches('_').to_owned(),
            labels: labels.join(", "),
            help,
        });
        match unit {
            Some(unit) => self.registry.register_with_unit(name, help, unit, metric.clone()),
            None => self.registry.register(name, help, metric.clone()),
        }
        metric
    }

    /// Takes the complete registry.
    pub(super) fn take(&mut self) -> Registry {
        std::mem::take(&mut self.registry)
    }
}

/// All metrics as a Markdown table.
pub fn table() -> String {
    let mut all = Catalogue::default();
    let _registered = super::Inner::new(&mut all, Leadership::new(), WatchHealth::new());
    let mut text =
        "<!-- Made from operator/src/observability/metrics.rs: cargo metricsgen > config/monitoring/metrics.md -->\n\n\
        | metric | type | unit | labels | meaning |\n|---|---|---|---|---|\n"
            .to_owned();
    for Row {
        name,
        kind,
        unit,
        labels,
        help,
    } in &all.rows
    {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| `{name}` | {kind} | {unit} | {labels} | {help}. |");
    }
    text
}
