//! A row of the table, and its notation.

use futures::future::LocalBoxFuture;

use crate::events::env::Env;

/// One of its three parts.
pub(crate) type Part = for<'a> fn(&'a Env) -> LocalBoxFuture<'a, ()>;

/// An event and its effect.
pub(crate) struct Row {
    /// The name of its tests, without the column.
    pub(crate) name: &'static str,
    /// The initial state, served by a running operator.
    pub(crate) given: Part,
    /// The event.
    pub(crate) when: Part,
    /// The effect, with a time limit.
    pub(crate) then: Part,
    /// How many writes the effect may take.
    pub(crate) writes: Writes,
    /// How many writes each restart may take: none, except where only a refused write finds a conflict.
    pub(crate) restart: Writes,
    /// Whether the event itself changes foreign objects, which are then compared from after it on.
    pub(crate) event: Event,
    /// Why the row has no meaning in the column `down`.
    pub(crate) only_up: Option<&'static str>,
}

/// Effect of the event on foreign objects.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// No effect.
    LeavesOthers,
    /// Other parties change them.
    ByOthers,
}

/// The most writes of the operator from the event on. Refused writes count, lost races do not. Status, state and Events
/// do not count.
#[derive(Clone, Copy)]
pub(crate) struct Writes {
    /// To Secrets in the row's namespaces.
    pub(crate) secrets: usize,
    /// To its `ServiceAccount`s.
    pub(crate) accounts: usize,
    /// To its objects: their finalizer.
    pub(crate) objects: usize,
}

/// Defines rows, each of which becomes a test for each column, and a list `ROWS` of them.
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
