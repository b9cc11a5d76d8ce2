//! Events in a cluster and their effects: one row for each event, run three times.
//!
//! `up`: the operator runs during the event. `down`: it was killed before, and starts again afterwards, with the same
//! effect. `named`: as `up`, in the installation with fewer rights, `config/named`. A row has a state that is `given`,
//! the event `when`, and the effect `then`; its name is its sentence.
//!
//! | event | rows |
//! |---|---|
//! | namespace created, labelled in or out, excluded, deselected by a spec change | [`namespaces`] |
//! | namespace terminating, gone, recreated | [`terminating`] |
//! | `ServiceAccount` created, relabelled, recreated, chosen by another spec | [`accounts`] |
//! | the operator's entry, or its record, removed or claimed by others | [`entries`] |
//! | copy edited, relabelled, disowned, deleted, made immutable or recreated; marks in the spec | [`copies`] |
//! | source changed, deleted, broken, of another type, repaired, late | [`sources`] |
//! | squatter before the operator, gone, adopted | [`squatters`] |
//! | object created, deleted in each way, renamed, its finalizer removed | [`objects`] |
//! | two objects for the same namespaces, and for the same Secret's name | [`pairs`] |
//! | `deletionPolicy: Retain`, on deletion and on deselection, and taken back | [`retain`] |
//! | `suspend`, and events during it | [`suspend`] |
//!
//! The rows of one column share a control plane and run side by side in their own namespaces (see [`column`]). After
//! each row the oracle must find no error, and foreign objects must be unchanged. The audit log must hold no more
//! writes than the row allows, and no later one.
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

/// Returns the whole table.
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
