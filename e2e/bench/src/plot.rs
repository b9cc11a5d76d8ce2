//! Plot of the growth of some rows. Both axes are logarithmic, so that linear growth has the slope 1.

use std::path::Path;

use anyhow::{anyhow, ensure};
use plotters::prelude::*;

use crate::figures::count;
use crate::table::Table;

/// Title, name of the row, unit, and the growing quantity.
const PANELS: [[&str; 4]; 6] = [
    ["fill, 3 accounts", "fill, 3 of 3 accounts: time", "s", "namespaces"],
    [
        "fill, 3 accounts",
        "fill, 3 of 3 accounts: writes",
        "writes",
        "namespaces",
    ],
    [
        "filled and rotated",
        "filled and rotated: resident memory",
        "MiB",
        "namespaces",
    ],
    ["all at once", "all at once: time", "s", "objects"],
    ["all in place", "resident memory", "MiB", "objects"],
    [
        "one copy deleted",
        "one copy deleted: CPU until it is restored",
        "ms",
        "objects",
    ],
];

const SIZE: (u32, u32) = (1260, 760);

/// Writes it as SVG.
///
/// # Errors
///
/// When rows exist for one size only, or the file cannot be written.
pub(crate) fn draw(table: &Table, path: &Path) -> anyhow::Result<()> {
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    let failed = |error: &dyn std::fmt::Display| anyhow!("{}: {error}", path.display());
    root.fill(&WHITE).map_err(|error| failed(&error))?;
    let areas = root.split_evenly((2, 3));
    for ([title, what, unit, over], area) in PANELS.into_iter().zip(&areas) {
        let series = table.series(what);
        ensure!(
            series.len() > 1,
            "no plot: \"{what}\" was measured for one number of {over} only"
        );
        panel(area, &format!("{title}: {unit}"), over, &series).map_err(|error| failed(&error))?;
    }
    root.present().map_err(|error| failed(&error))
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn panel(
    area: &Area<'_>,
    title: &str,
    over: &str,
    series: &[(usize, Option<f64>, Option<f64>)],
) -> Result<(), Box<dyn std::error::Error>> {
    let ours: Vec<(f64, f64)> = series
        .iter()
        .filter_map(|&(x, ours, _)| Some((count(x), ours?)))
        .collect();
    let limit: Vec<(f64, f64)> = series
        .iter()
        .filter_map(|&(x, _, limit)| Some((count(x), limit?)))
        .collect();
    let both = || ours.iter().chain(&limit);
    let (left, right) = ends(both().map(|point| point.0));
    let (low, high) = ends(both().map(|point| point.1));
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(52)
        .build_cartesian_2d((left..right).log_scale(), (low / 2.0..high * 2.0).log_scale())?;
    chart.configure_mesh().light_line_style(WHITE).x_desc(over).draw()?;
    for (name, points, colour) in [("limit loop", limit, &RED), ("operator", ours, &BLUE)] {
        if points.is_empty() {
            continue;
        }
        chart
            .draw_series(LineSeries::new(points, colour).point_size(3))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], *colour));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .border_style(BLACK)
        .background_style(WHITE)
        .draw()?;
    Ok(())
}

/// Returns the smallest and the largest value above zero, because of the logarithm.
fn ends(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::MIN_POSITIVE), |(low, high), value| {
        let value = value.max(0.001);
        (low.min(value), high.max(value))
    })
}
