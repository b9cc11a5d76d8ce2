//! The header `WWW-Authenticate` of a registry.

use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, Uri};

/// How a registry wants to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// With the login itself.
    Basic,
    /// With a token, which this address gives for the login.
    Bearer {
        /// The address.
        realm: Uri,
        /// The registry, in the words of the address.
        service: Option<String>,
    },
}

impl Challenge {
    /// Reads the headers of an answer. `Bearer` comes first, since only the token endpoint knows the login then.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let challenges = headers
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .filter_map(|value| value.to_str().ok());
        let parsed: Vec<Self> = challenges.filter_map(Self::parse).collect();
        let bearer = parsed.iter().find(|challenge| matches!(challenge, Self::Bearer { .. }));
        bearer.or(parsed.first()).cloned()
    }

    fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let parameters = parameters(rest);
        let value = |name: &str| {
            let found = parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.clone())
        };
        let realm: Uri = value("realm")?.parse().ok()?;
        realm.host()?;
        Some(Self::Bearer {
            realm,
            service: value("service"),
        })
    }
}

/// `name="value"` and `name=value`, separated by commas. A value in quotes may contain commas.
fn parameters(mut rest: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    while let Some((name, after)) = rest.split_once('=') {
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_at(after.find(',').unwrap_or(after.len())),
        };
        found.push((name.trim().trim_start_matches(',').trim().to_owned(), value.to_owned()));
        rest = next.trim_start_matches([',', ' ']);
    }
    found
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(values: &[&'static str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(value));
        }
        Challenge::of(&headers)
    }

    fn bearer(realm: &'static str, service: Option<&str>) -> Challenge {
        Challenge::Bearer {
            realm: Uri::from_static(realm),
            service: service.map(str::to_owned),
        }
    }

    #[test]
    fn challenges_of_registries_are_understood() {
        assert_eq!(of(&[r#"Basic realm="x""#]), Some(Challenge::Basic));
        assert_eq!(of(&["basic"]), Some(Challenge::Basic));
        let hub = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="a:b,c""#;
        assert_eq!(
            of(&[hub]),
            Some(bearer("https://auth.docker.io/token", Some("registry.docker.io")))
        );
        assert_eq!(of(&["Basic", hub]), of(&[hub]));
        assert_eq!(
            of(&["bearer service=a, realm=https://x/y"]),
            Some(bearer("https://x/y", Some("a")))
        );
        for odd in ["Negotiate", "Bearer", r#"Bearer realm="/token""#, "Bearer realm=", ""] {
            assert_eq!(of(&[odd]), None, "{odd}");
        }
        assert_eq!(of(&[]), None);
    }
}
