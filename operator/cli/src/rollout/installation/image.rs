//! The image of the operator, by digest.

/// The image of this release, `NAME@DIGEST`. `.ci/release cli` sets the variable. Other builds have none.
pub(super) const RELEASED: Option<&str> = option_env!("PULLSECRETS_IMAGE");

const DIGEST: &str = "@sha256:";

/// Returns the image by digest. A mirror of the release needs no digest: it is that of the release.
pub(super) fn pinned(given: Option<&str>, released: Option<&str>) -> Result<String, String> {
    let released = released.filter(|image| is_pinned(image));
    match (given, released) {
        (Some(image), _) if is_pinned(image) => Ok(image.to_owned()),
        (Some(image), Some(released)) if is_name(image) => {
            let (_, digest) = released.split_once('@').unwrap_or_default();
            Ok(format!("{image}@{digest}"))
        }
        (Some(_), _) => Err("--image needs the digest of an image: NAME@sha256:DIGEST".to_owned()),
        (None, Some(released)) => Ok(released.to_owned()),
        (None, None) => {
            Err("this build is no release, so it knows no image: give --image NAME@sha256:DIGEST".to_owned())
        }
    }
}

fn is_pinned(image: &str) -> bool {
    image.split_once(DIGEST).is_some_and(|(name, digest)| {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        is_name(name) && digest.len() == 64 && digest.bytes().all(is_hex)
    })
}

fn is_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/:".contains(&byte);
    name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_always_has_a_digest() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        let own = format!("ghcr.io/pullsecrets/pullsecrets@{digest}");
        let other = format!("mirror.example.com:5000/pullsecrets:1@sha256:{}", "1b".repeat(32));
        assert_eq!(pinned(None, Some(&own)), Ok(own.clone()));
        assert_eq!(pinned(Some(&other), None), Ok(other.clone()));
        assert_eq!(pinned(Some(&other), Some(&own)), Ok(other));
        let mirror = "mirror.example.com/pullsecrets";
        assert_eq!(pinned(Some(mirror), Some(&own)), Ok(format!("{mirror}@{digest}")));
        for (given, released) in [
            (None, None),
            (None, Some("ghcr.io/pullsecrets/pullsecrets:0.1.0")),
            (Some(mirror), None),
            (Some("a@sha256:0a"), Some(own.as_str())),
            (Some("a b"), Some(&own)),
            (Some(""), Some(&own)),
        ] {
            assert!(pinned(given, released).is_err(), "{given:?} {released:?}");
        }
    }
}
