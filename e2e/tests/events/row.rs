//! A row of the table, and how it is written down.

use futures::future::LocalBoxFuture;

use crate::events::env::Env;

/// One of its three parts.
pub(crate) type Part = for<'a> fn(&'a Env) -> LocalBoxFuture<'a, ()>;

/// An event and its effect.
pub(crate) struct Row {
    /// The name of its tests, less the column.
    pub(crate) name: &'static str,
    /// What there is before, carried out by a running operator.
    pub(crate) given: Part,
    /// The event.
    pub(crate) when: Part,
    /// The effect, waited for with a bound.
    pub(crate) then: Part,
    /// How many writes the effect may take.
    pub(crate) writes: Writes,
    /// How many another start may take, however often: none, but where something is only found out by trying.
    pub(crate) restart: Writes,
    /// Whether the event itself changes what belongs to others; what is theirs is then compared from after it on.
    pub(crate) event: Event,
    /// Why there is nothing to tell in the column `down`.
    pub(crate) only_up: Option<&'static str>,
}

/// What the event does to what belongs to others.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// Nothing.
    LeavesOthers,
    /// Something: they do it.
    ByOthers,
}

/// The most writes that the operator may make from the event on, refused ones included, lost races not. Status, state and
/// Events aside.
#[derive(Clone, Copy)]
pub(crate) struct Writes {
    /// To Secrets in the row's namespaces.
    pub(crate) secrets: usize,
    /// To its `ServiceAccount`s.
    pub(crate) accounts: usize,
    /// To its objects, which means their finalizer.
    pub(crate) objects: usize,
}

/// Writes down rows, each of which becomes a test for each column, and a list `ROWS` of them.
///
/// ```text
/// /// The sentence.
/// name_of_the_row {
///     given |it| { .. }
///     when |it| { .. }        // or `when others |it|`, where the event changes what belongs to others
///     then |it| { .. }
///     writes (secrets, accounts, objects)
///     restart (secrets, accounts)  // where another start does not find everything in place
///     only up "reason"        // where the column `down` has no meaning
/// }
/// ```
macro_rules! rows {
    ($($(#[$doc:meta])* $name:ident {
        given |$g:ident| $given:block
        when $($others:ident)? |$w:ident| $when:block
        then |$t:ident| $then:block
        writes ($secrets:literal, $accounts:literal, $objects:literal)
        $(restart ($more_secrets:literal, $more_accounts:literal))?
        $(only up $reason:literal)?
    })+) => {
        pub(crate) static ROWS: &[&crate::events::row::Row] = &[$(&$name::ROW),+];

        $($(#[$doc])* mod $name {
            #[allow(unused_imports, reason = "not every row needs everything")]
            use super::*;

            pub(crate) static ROW: crate::events::row::Row = crate::events::row::Row {
                name: module_path!(),
                given: |$g| Box::pin(async move $given),
                when: |$w| Box::pin(async move $when),
                then: |$t| Box::pin(async move $then),
                writes: crate::events::row::Writes { secrets: $secrets, accounts: $accounts, objects: $objects },
                restart: crate::events::row::rows!(@restart $($more_secrets, $more_accounts)?),
                event: crate::events::row::rows!(@event $($others)?),
                only_up: crate::events::row::rows!(@reason $($reason)?),
            };

            #[test]
            fn up() {
                crate::events::column::Column::Up.shows(&ROW);
            }

            #[test]
            fn named() {
                crate::events::column::Column::Named.shows(&ROW);
            }

            crate::events::row::rows!(@down $($reason)?);
        })+
    };
    (@restart $($secrets:literal, $accounts:literal)?) => {
        crate::events::row::Writes { secrets: 0 $(+ $secrets)?, accounts: 0 $(+ $accounts)?, objects: 0 }
    };
    (@event) => { crate::events::row::Event::LeavesOthers };
    (@event others) => { crate::events::row::Event::ByOthers };
    (@reason) => { None };
    (@reason $reason:literal) => { Some($reason) };
    (@down) => {
        #[test]
        fn down() {
            crate::events::column::Column::Down.shows(&ROW);
        }
    };
    (@down $reason:literal) => {};
}
pub(crate) use rows;
