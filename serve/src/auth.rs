//! Who may ask: a bearer token, and the rule that an open endpoint is never an accident.

use std::net::SocketAddr;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use lectern_index::config::Auth;
use secrecy::{ExposeSecret, SecretString};
use subtle::{Choice, ConstantTimeEq};

/// The environment variable the token is read from, and from nowhere else. Several may stand in it,
/// separated by spaces, so that callers can change from one to the next while both are let in.
pub const TOKEN: &str = "LECTERN_TOKEN";

/// The callers that are let in.
pub enum Access {
    /// Everybody.
    Open,
    /// Holders of one of the tokens.
    Token(Vec<SecretString>),
}

/// A combination of address, token and setting that is not served.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Reachable by others, and open.
    #[error(
        "refusing to listen on {0}: other machines can reach that address and no token is set.\n  \
         Set {TOKEN} to a long random string that callers then send as a bearer token,\n  \
         listen on 127.0.0.1 instead, or set serve.auth = \"none\" if everybody may read the index"
    )]
    OpenToOthers(SocketAddr),
    /// Two settings that contradict each other.
    #[error("{TOKEN} is set, but serve.auth = \"none\" lets everybody in: remove one of the two")]
    Contradiction,
}

impl Access {
    /// Decides who is let in at `addresses`.
    pub fn decide(addresses: &[SocketAddr], tokens: Vec<SecretString>, auth: Auth) -> Result<Self, Refused> {
        match (tokens.is_empty(), auth) {
            (false, Auth::Token) => Ok(Self::Token(tokens)),
            (false, Auth::None) => Err(Refused::Contradiction),
            (true, Auth::None) => Ok(Self::Open),
            (true, Auth::Token) => match addresses.iter().find(|address| !is_loopback(address)) {
                Some(address) => Err(Refused::OpenToOthers(*address)),
                None => Ok(Self::Open),
            },
        }
    }

    /// Whether a request with these headers is let in. Takes the same time for every token of the
    /// right length.
    pub fn allows(&self, headers: &HeaderMap) -> bool {
        let Self::Token(tokens) = self else { return true };
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return false };
        let Some((scheme, given)) = value.to_str().ok().and_then(|value| value.split_once(' ')) else {
            return false;
        };
        let given = given.trim_start().as_bytes();
        // All are compared, whichever fits.
        let same = tokens
            .iter()
            .fold(Choice::from(0), |same, token| same | given.ct_eq(token.expose_secret().as_bytes()));
        scheme.eq_ignore_ascii_case("bearer") && bool::from(same)
    }
}

/// Whether only this machine can reach an address.
pub fn is_loopback(address: &SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn decide(address: &str, token: Option<&str>, auth: Auth) -> Result<Access, Refused> {
        let address: SocketAddr = address.parse().expect("an address");
        Access::decide(&[address], token.map(SecretString::from).into_iter().collect(), auth)
    }

    #[test]
    fn an_open_endpoint_is_never_an_accident() {
        for address in ["0.0.0.0:80", "[::]:80", "192.0.2.1:80", "[::ffff:192.0.2.1]:80"] {
            assert!(matches!(decide(address, None, Auth::Token), Err(Refused::OpenToOthers(_))), "{address}");
            assert!(matches!(decide(address, Some("t"), Auth::Token), Ok(Access::Token(_))));
            assert!(matches!(decide(address, None, Auth::None), Ok(Access::Open)));
        }
        for address in ["127.0.0.1:80", "[::1]:80", "127.8.8.8:80"] {
            assert!(matches!(decide(address, None, Auth::Token), Ok(Access::Open)), "{address}");
        }
        assert!(matches!(decide("127.0.0.1:80", Some("t"), Auth::None), Err(Refused::Contradiction)));
    }

    #[test]
    fn only_the_token_is_let_in() {
        let access = Access::Token(["correct-horse", "battery-staple"].map(SecretString::from).to_vec());
        let allows = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, HeaderValue::from_str(value).expect("a header"));
            }
            access.allows(&headers)
        };
        assert!(allows(&["Bearer correct-horse"]) && allows(&["bearer  correct-horse"]));
        assert!(allows(&["Bearer battery-staple"]), "any of them");
        for wrong in [
            &[][..],
            &["Bearer correct-hors"],
            &["Bearer correct-horse2"],
            &["Basic correct-horse"],
            &["correct-horse"],
            &["Bearer "],
            &["Bearer correct-horse battery-staple"],
            &["Bearer correct-horse", "Bearer correct-horse"],
        ] {
            assert!(!allows(wrong), "{wrong:?}");
        }
        assert!(!format!("{:?}", SecretString::from("correct-horse")).contains("correct"));
    }
}
