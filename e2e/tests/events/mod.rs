//! What happens in a cluster, and what comes of it: one row for each event, told three times.
//!
//! `up`: the operator runs while the event happens. `down`: it was killed before, and is started again afterwards;
//! the same must come of it. `named`: as `up`, in the installation with fewer rights, `config/named`. A row is what was
//! `given`, `when` it happens, and what must hold `then`; its name is its sentence.
//!
//! | event | rows |
//! |---|---|
//! | namespace created, labelled in or out, excluded, deselected by a spec change | [`namespaces`] |
//! | namespace on its way out, gone, made anew | [`terminating`] |
//! | `ServiceAccount` created, relabelled, made anew, chosen by another spec | [`accounts`] |
//! | our entry, or our record of it, removed or claimed by others | [`entries`] |
//! | copy edited, relabelled, disowned, deleted, made immutable or anew; marks in the spec | [`copies`] |
//! | source changed, deleted, broken, of another type, mended, late | [`sources`] |
//! | squatter before us, gone, adopted | [`squatters`] |
//! | object created, deleted in each way, renamed, its finalizer taken | [`objects`] |
//! | two objects for the same namespaces, and for the same Secret's name | [`pairs`] |
//! | `deletionPolicy: Retain`, on deletion and on deselection, and taken back | [`retain`] |
//! | `suspend`, and what happens meanwhile | [`suspend`] |
//!
//! The rows of one column share a control plane and run side by side in namespaces of their own (see [`column`]).
//! After each row the oracle has found nothing wrong, what belongs to others is as it was, and the audit log holds no
//! more writes than the row allows, nor any later one.
#![allow(clippy::unwrap_used, reason = "also in what the tests share")]

mod column;
mod env;
mod ledger;
mod row;

mod accounts;
mod copies;
mod entries;
mod namespaces;
mod objects;
mod pairs;
mod retain;
mod sources;
mod squatters;
mod suspend;
mod terminating;

/// The whole table.
fn rows() -> Vec<&'static row::Row> {
    let tables: [&[&'static row::Row]; 11] = [
        namespaces::ROWS,
        terminating::ROWS,
        accounts::ROWS,
        entries::ROWS,
        copies::ROWS,
        sources::ROWS,
        squatters::ROWS,
        objects::ROWS,
        pairs::ROWS,
        retain::ROWS,
        suspend::ROWS,
    ];
    tables.concat()
}
