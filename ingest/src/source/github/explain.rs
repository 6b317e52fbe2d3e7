//! What an answer means for the operator: which repository, which permission, which setting. Pure.

use http::StatusCode;

use super::client::Refusal;
use super::credentials::Credentials;
use super::location::Location;

/// What was asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Asked<'a> {
    /// The ref.
    Reference,
    /// The folder, at a commit.
    Folder(&'a str),
    /// Anything else.
    Other(&'a str),
}

/// The reason for the report, with what to do.
pub(super) fn explain(
    refusal: Refusal,
    location: &Location,
    credentials: &Credentials,
    asked: Asked<'_>,
) -> String {
    let (status, message) = match refusal {
        Refusal::Unreachable(reason) => return format!("{location}: {reason}"),
        Refusal::Status(status, message) => (status, message),
    };
    let said = format!("{} {message}", status.as_u16());
    let reference = location.reference.as_deref().unwrap_or("HEAD");
    match (status, asked) {
        (StatusCode::UNAUTHORIZED, _) => {
            let what = match credentials {
                Credentials::App { .. } => "the App's token: check github.app_id and github.installation_id",
                Credentials::Token(_) => {
                    "GITHUB_TOKEN: it is wrong, expired or revoked; set a new one, or none for public repositories"
                }
                Credentials::None => "a request without credentials: set GITHUB_TOKEN",
            };
            format!("{location}: GitHub refuses ({said}) {what}")
        }
        // GitHub says 422 to a name that no ref has, 404 to some that look like paths.
        (StatusCode::UNPROCESSABLE_ENTITY, Asked::Reference) => no_ref(location, reference),
        (StatusCode::NOT_FOUND, Asked::Reference)
            if message.contains("No commit") || message.contains("Branch") =>
        {
            no_ref(location, reference)
        }
        (StatusCode::NOT_FOUND, Asked::Folder(path)) => format!(
            "{location} has no folder {path:?} at {reference}: check `path`; what is indexed stays as it is"
        ),
        (StatusCode::FORBIDDEN | StatusCode::NOT_FOUND, _) => {
            let access = match credentials {
                Credentials::None => {
                    "if it is private, set GITHUB_TOKEN to a token with the repository permission \"Contents: read\""
                }
                Credentials::Token(_) => {
                    "give the token in GITHUB_TOKEN the repository permission \"Contents: read\" for it, and authorise it for the organisation's single sign-on"
                }
                Credentials::App { .. } => {
                    "add the repository to the App's installation (github.installation_id), with the repository permission \"Contents: read\""
                }
            };
            let what = match status {
                StatusCode::NOT_FOUND => "does not exist or may not be seen",
                _ => "may not be read",
            };
            format!("the repository {location} {what} ({said}): check `github`; {access}")
        }
        (StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS, _) => {
            format!("GitHub withholds the repository {location} ({said}): remove the source")
        }
        (_, Asked::Other(what)) => format!("{location}: GitHub answers {said} when asked for {what}"),
        _ => format!("{location}: GitHub answers {said}: check github.base_url and `github`"),
    }
}

fn no_ref(location: &Location, reference: &str) -> String {
    format!(
        "{location} has no branch, tag or commit {reference:?}: it was deleted or renamed, or never was; check `ref`; what is indexed stays as it is"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permission_repository_and_setting_are_named() {
        let location = Location::parse("github:acme/docs@v1").expect("a location");
        let say = |status: u16, credentials: &Credentials, asked| {
            let status = StatusCode::from_u16(status).expect("a status");
            explain(Refusal::Status(status, "Not Found".into()), &location, credentials, asked)
        };
        let token = Credentials::Token("secret".to_owned().into());
        let app = Credentials::App { app: 1, installation: 2, key: "k".to_owned().into() };
        let text = say(404, &token, Asked::Reference);
        for word in ["acme/docs", "Contents: read", "GITHUB_TOKEN"] {
            assert!(text.contains(word), "{text}");
        }
        assert!(say(403, &app, Asked::Other("a tree")).contains("github.installation_id"));
        assert!(say(401, &token, Asked::Reference).contains("GITHUB_TOKEN"));
        assert!(say(422, &Credentials::None, Asked::Reference).contains("\"v1\""));
        assert!(say(404, &Credentials::None, Asked::Folder("guide")).contains("no folder \"guide\""));
        assert!(say(404, &Credentials::None, Asked::Reference).contains("set GITHUB_TOKEN"));
    }
}
