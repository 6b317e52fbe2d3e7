//! A GitHub in miniature: the REST calls that Lectern uses, answered from real git repositories as
//! GitHub's OpenAPI description says, and every misbehaviour as a switch.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;

mod answer;
mod archive;
mod fault;
mod objects;

pub use fault::Fault;

use super::repository::Repository;
use answer::{error, json};

/// Which of GitHub's hosts was asked: they are two ports here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Host {
    /// `api.github.com`
    Api,
    /// `codeload.github.com`
    Archives,
}

/// One request, as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    pub host: Host,
    pub path: String,
    pub authorization: Option<String>,
}

/// A GitHub App that is installed.
#[derive(Debug, Clone)]
pub struct App {
    pub id: u64,
    pub installation: u64,
    /// How long its tokens last.
    pub token_seconds: i64,
    /// Tokens given out.
    pub tokens: Vec<String>,
}

#[derive(Debug, Clone)]
struct Known {
    folder: PathBuf,
    private: bool,
    id: usize,
}

/// What can be set from outside.
#[derive(Default)]
struct Settings {
    repositories: HashMap<String, Known>,
    /// Old name to new name.
    moved: HashMap<String, String>,
    token: Option<String>,
    app: Option<App>,
    faults: Vec<fault::Planned>,
    /// More entries of a tree than this are cut off.
    tree_entries: Option<usize>,
    /// Archives are this, whatever is in the repository.
    archive: Option<Vec<u8>>,
    /// Prefix of the API's paths, as on Enterprise.
    prefix: String,
    remaining: i64,
}

struct State {
    settings: Mutex<Settings>,
    asked: Mutex<Vec<Asked>>,
    hosts: HashMap<Host, SocketAddr>,
}

/// The running servers; they end with the test's process.
pub struct Miniature {
    state: Arc<State>,
}

impl Miniature {
    /// Starts both hosts on ports of their own, on loopback.
    pub fn start() -> Self {
        let listeners: Vec<(Host, TcpListener)> =
            [Host::Api, Host::Archives].map(|host| (host, TcpListener::bind("127.0.0.1:0").unwrap())).into();
        let hosts = listeners.iter().map(|(host, it)| (*host, it.local_addr().unwrap())).collect();
        let settings = Mutex::new(Settings { remaining: 5000, ..Settings::default() });
        let state = Arc::new(State { settings, asked: Mutex::default(), hosts });
        for (host, listener) in listeners {
            let state = state.clone();
            std::thread::spawn(move || {
                tokio::runtime::Runtime::new().unwrap().block_on(serve(host, listener, state));
            });
        }
        Self { state }
    }

    /// One that knows `repository` as `acme/docs`.
    pub fn of(repository: &Repository) -> Self {
        let github = Self::start();
        github.add("acme/docs", repository);
        github
    }

    pub fn add(&self, name: &str, repository: &Repository) {
        self.insert(name, repository, false);
    }

    pub fn add_private(&self, name: &str, repository: &Repository) {
        self.insert(name, repository, true);
    }

    fn insert(&self, name: &str, repository: &Repository, private: bool) {
        let mut settings = self.state.settings.lock().unwrap();
        let id = settings.repositories.len() + 1;
        let known = Known { folder: repository.path().to_owned(), private, id };
        settings.repositories.insert(name.to_lowercase(), known);
    }

    /// Renames a repository: its old name answers 301 from now on.
    pub fn rename(&self, from: &str, to: &str) {
        let mut settings = self.state.settings.lock().unwrap();
        let known = settings.repositories.remove(from).unwrap();
        settings.repositories.insert(to.into(), known);
        settings.moved.insert(from.into(), to.into());
    }

    /// The token that is right; any other is refused.
    pub fn expect_token(&self, token: &str) {
        self.state.settings.lock().unwrap().token = Some(token.into());
    }

    pub fn install(&self, app: App) {
        self.state.settings.lock().unwrap().app = Some(app);
    }

    /// Cuts listings of trees after so many entries.
    pub fn cut_trees(&self, entries: usize) {
        self.state.settings.lock().unwrap().tree_entries = Some(entries);
    }

    /// Gives out this as every archive.
    pub fn replace_archives(&self, archive: Vec<u8>) {
        self.state.settings.lock().unwrap().archive = Some(archive);
    }

    /// Serves the API below a path, as Enterprise does.
    pub fn prefix(&self, prefix: &str) {
        self.state.settings.lock().unwrap().prefix = prefix.into();
    }

    /// Answers the next `times` requests whose address contains `matching` with a fault.
    pub fn plan(&self, matching: &str, times: usize, fault: Fault) {
        let planned = fault::Planned { matching: matching.into(), times, fault };
        self.state.settings.lock().unwrap().faults.push(planned);
    }

    /// The API's address.
    pub fn url(&self) -> String {
        format!("http://{}{}", self.state.hosts[&Host::Api], self.state.settings.lock().unwrap().prefix)
    }

    /// Everything that was asked since this was last called.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state.asked.lock().unwrap())
    }
}

async fn serve(host: Host, listener: TcpListener, state: Arc<State>) {
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let app = Router::new().fallback(move |request: Request| handle(host, state.clone(), request));
    axum::serve(listener, app).await.unwrap();
}

async fn handle(host: Host, state: Arc<State>, request: Request) -> Response {
    let question = Question::read(host, &request);
    drop(request);
    let (path, authorization) = (question.path.clone(), question.authorization.clone());
    let fault = state.settings.lock().unwrap().next_fault(&path);
    let for_answer = state.clone();
    let response = tokio::task::spawn_blocking(move || for_answer.answer(&question)).await.unwrap();
    let response = match fault {
        Some(fault) => fault.apply(response).await,
        None => response,
    };
    state.asked.lock().unwrap().push(Asked { host, path, authorization });
    response
}

struct Question {
    host: Host,
    method: String,
    path: String,
    accept: String,
    authorization: Option<String>,
}

impl Question {
    fn read(host: Host, request: &Request) -> Self {
        let header = |name| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        Self {
            host,
            method: request.method().to_string(),
            path: request.uri().path_and_query().unwrap().to_string(),
            accept: header("accept").unwrap_or_default(),
            authorization: header("authorization"),
        }
    }
}

impl State {
    fn answer(&self, question: &Question) -> Response {
        let mut settings = self.settings.lock().unwrap();
        let (path, query) = question.path.split_once('?').unwrap_or((&question.path, ""));
        if question.host == Host::Archives {
            let archive = settings.archive.clone();
            let known = |name: &str| settings.repositories.get(name).map(|known| known.folder.clone());
            return archive::answer(path, archive, known);
        }
        let Some(path) = path.strip_prefix(&settings.prefix) else { return error(404, "Not Found") };
        let response = match settings.visitor(question, path) {
            Err(refused) => *refused,
            Ok(Visitor::Minting) => settings.mint(),
            Ok(Visitor::Somebody) => self.somebody(&settings, question, path, query, true),
            Ok(Visitor::Nobody) => self.somebody(&settings, question, path, query, false),
        };
        settings.remaining -= 1;
        answer::with_quota(response, settings.remaining)
    }

    fn somebody(
        &self,
        settings: &Settings,
        question: &Question,
        path: &str,
        query: &str,
        known: bool,
    ) -> Response {
        let decoded = percent_decode(path);
        let parts: Vec<&str> = decoded.trim_start_matches('/').split('/').collect();
        let (name, rest) = match parts.as_slice() {
            ["repositories", id, rest @ ..] => {
                let found = settings.repositories.iter().find(|(_, known)| known.id.to_string() == *id);
                match found {
                    Some((name, _)) => (name.clone(), rest.join("/")),
                    None => return error(404, "Not Found"),
                }
            }
            ["repos", owner, repo, rest @ ..] => (format!("{owner}/{repo}").to_lowercase(), rest.join("/")),
            _ => return error(404, "Not Found"),
        };
        if let Some(new) = settings.moved.get(&name) {
            let id = settings.repositories[new].id;
            // GitHub redirects to the number, which no rename changes.
            let query = if query.is_empty() { String::new() } else { format!("?{query}") };
            let api = self.hosts[&Host::Api];
            let to = format!(
                "http://{api}{}/repositories/{id}/{}{query}",
                settings.prefix,
                path.splitn(5, '/').nth(4).unwrap()
            );
            return answer::redirect(StatusCode::MOVED_PERMANENTLY, &to);
        }
        let Some(repository) = settings.repositories.get(&name).filter(|it| known || !it.private) else {
            return error(404, "Not Found");
        };
        if let Some(reference) = rest.strip_prefix("tarball/") {
            // A private repository's archive is opened by a token in its address.
            let secret = if repository.private { "?token=CODELOADSECRET" } else { "" };
            let archives = self.hosts[&Host::Archives];
            let to = format!("http://{archives}/{name}/legacy.tar.gz/{reference}{secret}");
            return answer::redirect(StatusCode::FOUND, &to);
        }
        objects::answer(&objects::Place {
            folder: &repository.folder,
            name: &name,
            rest: &rest,
            query,
            accept: &question.accept,
            tree_entries: settings.tree_entries.unwrap_or(100_000),
        })
    }
}

enum Visitor {
    Nobody,
    Somebody,
    Minting,
}

impl Settings {
    /// Who asks, by the header; a wrong token is refused even for what is public.
    fn visitor(&self, question: &Question, path: &str) -> Result<Visitor, Box<Response>> {
        let Some(header) = &question.authorization else { return Ok(Visitor::Nobody) };
        let token = header.strip_prefix("Bearer ").unwrap_or("");
        if let Some(app) = &self.app {
            let minting = format!("/app/installations/{}/access_tokens", app.installation);
            if question.method == "POST" && path == minting {
                let claims = format!("\"iss\":{}", app.id);
                let right = answer::claims(token).is_some_and(|text| text.contains(&claims));
                let refused = || error(401, "'Issuer' claim ('iss') must be an Integer or match the App ID");
                return if right { Ok(Visitor::Minting) } else { Err(Box::new(refused())) };
            }
            if app.tokens.iter().any(|known| known == token) {
                return Ok(Visitor::Somebody);
            }
        }
        match &self.token {
            Some(right) if right == token => Ok(Visitor::Somebody),
            _ => Err(Box::new(error(401, "Bad credentials"))),
        }
    }

    fn mint(&mut self) -> Response {
        let app = self.app.as_mut().unwrap();
        let token = format!("ghs_TESTSECRETminted{}", app.tokens.len());
        app.tokens.push(token.clone());
        let expires_at = answer::from_now(app.token_seconds);
        let body = serde_json::json!({ "token": token, "expires_at": expires_at, "permissions": { "contents": "read" } });
        json(StatusCode::CREATED, &body)
    }
}

fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let escaped = (bytes[at] == b'%').then(|| u8::from_str_radix(&text[at + 1..at + 3], 16).unwrap());
        decoded.push(escaped.unwrap_or(bytes[at]));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    String::from_utf8(decoded).unwrap()
}
