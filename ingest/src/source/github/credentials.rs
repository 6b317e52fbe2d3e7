//! Who asks: nobody, the holder of a token, or a GitHub App. Secrets come from the environment
//! alone, and leave this file only inside the client that sends them.

use lectern_index::config::GithubSettings;
use octocrab::models::{AppId, InstallationId};
use octocrab::{Octocrab, OctocrabBuilder};
use secrecy::{ExposeSecret, SecretString};

/// The variable that holds a token.
pub const TOKEN: &str = "GITHUB_TOKEN";
/// The variable that holds an App's private key, PEM.
pub const APP_KEY: &str = "GITHUB_APP_PRIVATE_KEY";
/// The variable that names the file of an App's private key.
pub const APP_KEY_FILE: &str = "GITHUB_APP_PRIVATE_KEY_FILE";

/// What is shown to GitHub.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// Nothing: 60 requests an hour, public repositories.
    None,
    /// A personal access token, or that of a workflow.
    Token(SecretString),
    /// A GitHub App, which is given a new token every hour.
    App {
        /// Its id.
        app: u64,
        /// Its installation in the organisation.
        installation: u64,
        /// Its private key, PEM.
        key: SecretString,
    },
}

impl Credentials {
    /// Reads the credentials: an App where `settings` name one, else the token, else none. Fails if
    /// half of an App is named, since what would happen then is not what was meant.
    pub fn read(
        settings: &GithubSettings,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let variable = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let (app, installation) = match (settings.app_id, settings.installation_id) {
            (Some(app), Some(installation)) => (app, installation),
            (None, None) => return Self::token(variable(TOKEN)),
            _ => return Err("a GitHub App needs both github.app_id and github.installation_id".into()),
        };
        let key = match (variable(APP_KEY), variable(APP_KEY_FILE)) {
            // Many places that keep secrets keep them in one line.
            (Some(key), _) => key.replace("\\n", "\n"),
            (None, Some(file)) => std::fs::read_to_string(&file)
                .map_err(|error| format!("{APP_KEY_FILE}: {file} cannot be read: {error}"))?,
            (None, None) => {
                return Err(format!(
                    "github.app_id is set, but neither {APP_KEY} (the App's private key, PEM) nor {APP_KEY_FILE}"
                ));
            }
        };
        Ok(Self::App { app, installation, key: key.into() })
    }

    fn token(token: Option<String>) -> Result<Self, String> {
        match token.map(|token| token.trim().to_owned()) {
            None => Ok(Self::None),
            Some(token) if token.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(Self::Token(token.into())),
            Some(_) => Err(format!("{TOKEN} holds characters that no token has: set it anew")),
        }
    }

    /// A client of the API at `base` that shows these credentials to that host alone.
    pub fn client(&self, base: &http::Uri, timeout: std::time::Duration) -> Result<Octocrab, String> {
        let builder = builder(base, timeout)?;
        match self {
            Self::None => built(builder.build()),
            // Not `personal_token`: that one is not marked as sensitive.
            Self::Token(token) => {
                built(builder.build().and_then(|client| client.user_access_token(token.clone())))
            }
            Self::App { app, installation, key } => {
                let app = builder
                    .app_from_rsa_pem(AppId(*app), key.expose_secret())
                    .map_err(|_| format!("{APP_KEY} is no RSA private key in PEM format"))?;
                built(app.build().and_then(|client| client.installation(InstallationId(*installation))))
            }
        }
    }

    /// Whether GitHub grants more than the 60 requests an hour of somebody unknown.
    pub fn known(&self) -> bool {
        !matches!(self, Self::None)
    }

    /// `text` without the token, should it be in there.
    pub fn redact(&self, text: &str) -> String {
        match self {
            Self::Token(token) => text.replace(token.expose_secret(), "***"),
            _ => text.to_owned(),
        }
    }
}

/// A client of the host at `base` that shows no credentials.
pub fn anonymous(base: &http::Uri, timeout: std::time::Duration) -> Result<Octocrab, String> {
    built(builder(base, timeout)?.build())
}

type Builder = OctocrabBuilder<
    octocrab::NoSvc,
    octocrab::DefaultOctocrabBuilderConfig,
    octocrab::NoAuth,
    octocrab::NotLayerReady,
>;

fn builder(base: &http::Uri, timeout: std::time::Duration) -> Result<Builder, String> {
    let builder = Octocrab::builder()
        .set_connect_timeout(Some(timeout))
        .set_read_timeout(Some(timeout))
        .set_write_timeout(Some(timeout));
    builder.base_uri(base.clone()).map_err(|_| format!("{base} is no address of an API"))
}

fn built(client: octocrab::Result<Octocrab>) -> Result<Octocrab, String> {
    client.map_err(|error| {
        format!(
            "no HTTPS client can be made: {}: are the system's certificates (ca-certificates) there?",
            super::client::chain(&error)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(settings: GithubSettings, variables: &[(&str, &str)]) -> Result<Credentials, String> {
        let find =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Credentials::read(&settings, find)
    }

    fn app() -> GithubSettings {
        GithubSettings { app_id: Some(1), installation_id: Some(2), ..GithubSettings::default() }
    }

    #[test]
    fn an_app_beats_a_token_beats_nothing() {
        let none = GithubSettings::default;
        assert!(matches!(read(none(), &[]), Ok(Credentials::None)));
        assert!(matches!(read(none(), &[(TOKEN, " ")]), Ok(Credentials::None)));
        assert!(matches!(read(none(), &[(TOKEN, "t\n")]), Ok(Credentials::Token(_))));
        let both = [(TOKEN, "t"), (APP_KEY, "-----BEGIN")];
        assert!(matches!(read(app(), &both), Ok(Credentials::App { app: 1, installation: 2, .. })));
    }

    #[test]
    fn half_an_app_is_refused() {
        let error = read(GithubSettings { installation_id: None, ..app() }, &[]).expect_err("half of it");
        assert!(error.contains("installation_id"), "{error}");
        let error = read(app(), &[(TOKEN, "t")]).expect_err("no key");
        assert!(error.contains(APP_KEY), "{error}");
        assert!(read(GithubSettings::default(), &[(TOKEN, "a b")]).is_err());
    }

    #[test]
    fn secrets_are_not_shown() {
        let token = read(GithubSettings::default(), &[(TOKEN, "ghp_verysecret")]).expect("a token");
        assert!(!format!("{token:?}").contains("verysecret"));
        assert_eq!(token.redact("you sent ghp_verysecret"), "you sent ***");
    }
}
