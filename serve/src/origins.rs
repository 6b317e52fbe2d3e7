//! Whose web pages may call from a browser. Pure.

use axum::http::Uri;

/// Stands for every port, and alone for every origin.
const ANY: &str = "*";

/// The origins that are let in.
#[derive(Debug, Clone)]
pub struct Origins(Vec<String>);

impl Origins {
    /// Pages of this machine, and the `configured` ones: `https://HOST`, `https://HOST:PORT`,
    /// `https://HOST:*` for every port, `*` for every page there is.
    pub fn new(configured: &[String]) -> Self {
        let local = ["localhost", "127.0.0.1", "[::1]"];
        let local = local.iter().flat_map(|host| [format!("http://{host}:*"), format!("https://{host}:*")]);
        Self(local.chain(configured.iter().map(|origin| with_port(origin))).collect())
    }

    /// Whether every page is let in.
    pub fn is_any(&self) -> bool {
        self.0.iter().any(|entry| entry == ANY)
    }

    /// The origins, each with its port or with `*` for it.
    pub fn entries(&self) -> &[String] {
        &self.0
    }

    /// Whether pages of this origin are let in.
    pub fn allow(&self, origin: &str) -> bool {
        let origin = with_port(origin);
        let any_port = origin.rsplit_once(':').map(|(host, _)| format!("{host}:{ANY}"));
        self.is_any() || self.0.iter().any(|entry| *entry == origin || Some(entry) == any_port.as_ref())
    }
}

/// An origin with its port, which browsers leave out where it is the scheme's own.
fn with_port(origin: &str) -> String {
    let origin = origin.trim().trim_end_matches('/').to_ascii_lowercase();
    let uri = match origin.parse::<Uri>() {
        Ok(uri) if !origin.ends_with(":*") => uri,
        _ => return origin,
    };
    match (uri.scheme_str(), uri.port(), uri.host()) {
        (Some("https"), None, Some(host)) => format!("https://{host}:443"),
        (Some("http"), None, Some(host)) => format!("http://{host}:80"),
        _ => origin,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_compared_with_their_ports() {
        let origins = Origins::new(&["https://App.example.com/".into(), "http://lan.example:*".into()]);
        for good in [
            "http://localhost:6274",
            "https://127.0.0.1",
            "http://[::1]:3000",
            "https://app.example.com",
            "https://app.example.com:443",
            "http://lan.example",
            "http://lan.example:8080",
        ] {
            assert!(origins.allow(good), "{good}");
        }
        for bad in [
            "https://app.example.com:8443",
            "http://app.example.com",
            "https://lan.example",
            "https://app.example.com.evil.example",
            "https://localhost.evil.example",
            "null",
            "",
            "*",
        ] {
            assert!(!origins.allow(bad), "{bad}");
        }
        assert!(Origins::new(&["*".into()]).allow("https://anything.example"));
    }
}
