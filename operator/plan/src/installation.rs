//! Which of several installations in a cluster acts for an object. An installation is `namespace/name` of its Lease.

/// The installation that acts for an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assignment<'a> {
    /// This installation acts.
    Ours,
    /// This installation may act as soon as the status records it.
    Claimable,
    /// The named one acts. This installation writes no part of the object, not even its status.
    Others(&'a str),
}

/// Decides which installation acts for an object.
///
/// `own` is this installation, `recorded` the one in `status.installation`. `handed_to` is the one in the annotation by
/// which a person hands the object over.
///
/// The recorded one stops when it sees another in the annotation. That one starts when it is recorded. So two never act
/// at a time. A text that does not name an installation does not count.
pub fn assignment<'a>(own: &str, recorded: Option<&'a str>, handed_to: Option<&'a str>) -> Assignment<'a> {
    let handed_to = handed_to.filter(|named| can_be_handed_to(named, own));
    match (recorded.filter(|recorded| is_valid(recorded)), handed_to) {
        (Some(recorded), None) if recorded == own => Assignment::Ours,
        (Some(recorded), Some(named)) if recorded == own && named == own => Assignment::Ours,
        (None, None) => Assignment::Claimable,
        (_, Some(named)) if named == own => Assignment::Claimable,
        (_, Some(other)) | (Some(other), None) => Assignment::Others(other),
    }
}

/// Returns whether the text names an installation: a namespace, and a Lease in it.
pub fn is_valid(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_label = |text: &str| {
        let ends = [text.bytes().next(), text.bytes().last()];
        text.len() <= 63 && text.bytes().all(is_inner) && ends.iter().all(|end| end.is_some_and(|byte| byte != b'-'))
    };
    text.len() <= 253
        && text
            .split_once('/')
            .is_some_and(|(namespace, name)| is_label(namespace) && name.split('.').all(is_label))
}

/// Returns whether the annotation may name this installation. All Leases have one name, so another name is a typo.
pub fn can_be_handed_to(named: &str, own: &str) -> bool {
    let name = |of| str::split_once(of, '/').map(|(_, name)| name);
    is_valid(named) && name(named) == name(own)
}

/// Returns the namespace of an installation. Sources without a namespace are there.
pub fn namespace(installation: &str) -> &str {
    installation
        .split_once('/')
        .map_or(installation, |(namespace, _)| namespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_installation_acts_until_handed_over() {
        let (a, b, c, typo) = (Some("a/x"), Some("b/x"), Some("c/x"), Some("b"));
        for (recorded, handed_to, a_says, b_says) in [
            (None, None, Assignment::Claimable, Assignment::Claimable),
            (a, None, Assignment::Ours, Assignment::Others("a/x")),
            (a, a, Assignment::Ours, Assignment::Others("a/x")),
            (a, b, Assignment::Others("b/x"), Assignment::Claimable),
            (b, b, Assignment::Others("b/x"), Assignment::Ours),
            (b, None, Assignment::Others("b/x"), Assignment::Ours),
            (b, a, Assignment::Claimable, Assignment::Others("a/x")),
            (a, c, Assignment::Others("c/x"), Assignment::Others("c/x")),
            (None, b, Assignment::Others("b/x"), Assignment::Claimable),
            (a, typo, Assignment::Ours, Assignment::Others("a/x")),
            (None, typo, Assignment::Claimable, Assignment::Claimable),
            (typo, None, Assignment::Claimable, Assignment::Claimable),
        ] {
            let says = |own| assignment(own, recorded, handed_to);
            assert_eq!(says("a/x"), a_says, "{recorded:?} {handed_to:?}");
            assert_eq!(says("b/x"), b_says, "{recorded:?} {handed_to:?}");
            assert!(
                [says("a/x"), says("b/x")] != [Assignment::Ours; 2],
                "both act: {recorded:?} {handed_to:?}"
            );
        }
    }

    #[test]
    fn invalid_names_of_installations_are_rejected() {
        for (text, valid, ours) in [
            ("second/pullsecrets", true, true),
            ("second/pulsecrets", true, false),
            ("second", false, false),
            ("second/", false, false),
            ("/pullsecrets", false, false),
            ("Second/pullsecrets", false, false),
            ("second/pull/secrets", false, false),
            ("-second/pullsecrets", false, false),
            (" second/pullsecrets", false, false),
            ("", false, false),
        ] {
            assert_eq!(is_valid(text), valid, "{text:?}");
            assert_eq!(can_be_handed_to(text, "first/pullsecrets"), ours, "{text:?}");
        }
    }

    #[test]
    fn an_installation_starts_with_its_namespace() {
        assert_eq!(namespace("a/x"), "a");
        assert_eq!(namespace("typo"), "typo");
    }
}
