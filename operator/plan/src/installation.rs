//! Which installation acts for an object, where several are in one cluster. An installation is `namespace/name` of its Lease.

/// Who acts for an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose<'a> {
    /// This installation.
    Ours,
    /// This installation, as soon as the status records it.
    Claimable,
    /// The named one: this installation does not write for the object, its status included.
    Others(&'a str),
}

/// Decides who acts for an object. `own` is this installation, `recorded` the one in `status.installation`, `handed_to` the one
/// that the annotation names by which a person hands the object over.
///
/// The recorded one stops as soon as it sees another named, and the named one starts when it is recorded. So two never
/// act at a time. What is not the name of an installation does not count.
pub fn whose<'a>(own: &str, recorded: Option<&'a str>, handed_to: Option<&'a str>) -> Whose<'a> {
    let handed_to = handed_to.filter(|named| can_be_handed_to(named, own));
    match (recorded.filter(|recorded| is_valid(recorded)), handed_to) {
        (Some(recorded), None) if recorded == own => Whose::Ours,
        (Some(recorded), Some(named)) if recorded == own && named == own => Whose::Ours,
        (None, None) => Whose::Claimable,
        (_, Some(named)) if named == own => Whose::Claimable,
        (_, Some(other)) | (Some(other), None) => Whose::Others(other),
    }
}

/// Whether the text is the name of an installation: a namespace, and the name of a Lease in it.
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

/// Whether the annotation may name this installation. All Leases have one name, so that another one is a typing error.
pub fn can_be_handed_to(named: &str, own: &str) -> bool {
    let name = |of| str::split_once(of, '/').map(|(_, name)| name);
    is_valid(named) && name(named) == name(own)
}

/// The namespace of an installation, where the sources of its objects live that name none.
pub fn namespace(installation: &str) -> &str {
    installation
        .split_once('/')
        .map_or(installation, |(namespace, _)| namespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_installation_wins_until_handed_over() {
        let (a, b, c, typo) = (Some("a/x"), Some("b/x"), Some("c/x"), Some("b"));
        for (recorded, handed_to, a_says, b_says) in [
            (None, None, Whose::Claimable, Whose::Claimable),
            (a, None, Whose::Ours, Whose::Others("a/x")),
            (a, a, Whose::Ours, Whose::Others("a/x")),
            (a, b, Whose::Others("b/x"), Whose::Claimable),
            (b, b, Whose::Others("b/x"), Whose::Ours),
            (b, None, Whose::Others("b/x"), Whose::Ours),
            (b, a, Whose::Claimable, Whose::Others("a/x")),
            (a, c, Whose::Others("c/x"), Whose::Others("c/x")),
            (None, b, Whose::Others("b/x"), Whose::Claimable),
            (a, typo, Whose::Ours, Whose::Others("a/x")),
            (None, typo, Whose::Claimable, Whose::Claimable),
            (typo, None, Whose::Claimable, Whose::Claimable),
        ] {
            let says = |own| whose(own, recorded, handed_to);
            assert_eq!(says("a/x"), a_says, "{recorded:?} {handed_to:?}");
            assert_eq!(says("b/x"), b_says, "{recorded:?} {handed_to:?}");
            assert!(
                [says("a/x"), says("b/x")] != [Whose::Ours; 2],
                "both act: {recorded:?} {handed_to:?}"
            );
        }
    }

    #[test]
    fn what_cannot_name_an_installation_is_found_out() {
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
