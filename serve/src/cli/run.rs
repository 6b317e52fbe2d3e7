//! Each command, from parsed options to its end.

use std::io::{ErrorKind, IsTerminal, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::CommandFactory;
use lectern_index::config::Config;
use lectern_index::embed::configured::configured;
use lectern_index::open::Location;
use lectern_index::tokens::Tokenizer;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use super::{Cli, Command, Failure, Query, Shared};
use crate::arguments::{CallError, SearchArguments, SearchCall};
use crate::ask::{self, Endpoint};
use crate::auth::{Access, TOKEN};
use crate::http::{self, App};
use crate::mcp::Handler;
use crate::metrics::Metrics;
use crate::search::Searcher;
use crate::{budget, healthcheck, query, stdio};

pub(super) fn run(cli: Cli, warning: Option<String>) -> Result<(), Failure> {
    let Cli { command, stdio, shared } = cli;
    if stdio && command.is_some() {
        return Err(usage("--stdio goes with no command: it is a way to serve"));
    }
    if shared.listen.is_some() && matches!(command, Some(Command::Query(_) | Command::Completions { .. })) {
        return Err(usage("--listen is for serving, ask and healthcheck"));
    }
    if let Some(Command::Completions { shell }) = command {
        return completions(shell, &shared);
    }
    log(&shared, command.is_none())?;
    if let Some(warning) = warning {
        tracing::warn!("{warning}");
    }
    let config = config(&shared)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = match command {
        None => serve(&runtime, &config, stdio),
        Some(Command::Query(asked)) => runtime.block_on(ask(&config, asked, shared.json)),
        Some(Command::Ask { query, url }) => runtime.block_on(ask_server(&config, query, url, shared.json)),
        Some(Command::Healthcheck) => runtime.block_on(check(&config, shared.json)),
        Some(Command::Completions { .. }) => Ok(()),
    };
    // A thread that waits for standard input would never end by itself.
    runtime.shutdown_background();
    result
}

fn usage(message: impl Into<String>) -> Failure {
    Failure::Usage(message.into())
}

fn config(shared: &Shared) -> Result<Config, Failure> {
    let mut sets = shared.set.clone();
    sets.extend(shared.listen.iter().map(|address| format!("serve.listen={address}")));
    // Names that are no text are none of ours; one of our settings that is none is looked at as far as it goes.
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())));
    Config::load(shared.config.as_deref(), environment, shared.index.as_deref(), &sets)
        .map_err(|error| usage(error.to_string()))
}

/// Logs go to standard error, whatever is served (invariant 11).
fn log(shared: &Shared, serving: bool) -> Result<(), Failure> {
    let filter = match std::env::var("LECTERN_LOG") {
        Ok(filter) => EnvFilter::try_new(&filter)
            .map_err(|error| usage(format!("LECTERN_LOG={filter:?}: {error}; try LECTERN_LOG=debug")))?,
        Err(_) => EnvFilter::new(if serving { "info,rmcp=warn" } else { "error" }),
    };
    let colours =
        std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let logs =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    if shared.json && serving {
        logs.json().init()
    } else {
        logs.init()
    }
    Ok(())
}

fn searcher(config: &Config) -> Result<(Location, Searcher), Failure> {
    let location = Location::of(&config.index).map_err(|error| usage(error.to_string()))?;
    let index = location.open_read_only().map_err(|error| usage(error.to_string()))?;
    let embedder = configured(&config.embedding, |name| std::env::var(name).ok());
    let embedder = embedder.map_err(|error| usage(error.to_string()))?;
    if let Some(lacking) = embedder.as_ref().and_then(|embedder| embedder.lacking()) {
        tracing::warn!("searches are lexical: {lacking}");
    }
    let timeout = Duration::from_millis(config.serve.embed_timeout_ms);
    let searcher = Searcher::new(index, embedder, timeout);
    Ok((location, searcher))
}

/// The tokens that are set, the one to send first.
fn tokens() -> Result<Vec<SecretString>, Failure> {
    let fits = |byte: u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
    match std::env::var(TOKEN) {
        Ok(set) if set.bytes().all(fits) => {
            Ok(set.split_ascii_whitespace().map(SecretString::from).collect())
        }
        Err(std::env::VarError::NotPresent) => Ok(Vec::new()),
        _ => Err(usage(format!(
            "{TOKEN} has characters that no header can carry: use letters, digits and -._~+/="
        ))),
    }
}

async fn addresses(config: &Config) -> Result<Vec<SocketAddr>, Failure> {
    let listen = &config.serve.listen;
    let found = tokio::net::lookup_host(listen).await.map_err(|error| {
        usage(format!("serve.listen = {listen:?}: {error}; use ADDRESS:PORT, as in 127.0.0.1:8080"))
    })?;
    Ok(found.collect())
}

fn serve(runtime: &Runtime, config: &Config, over_stdio: bool) -> Result<(), Failure> {
    let (location, searcher) = searcher(config)?;
    // Loading the table of tokens takes a moment that no caller should wait for.
    runtime.spawn_blocking(|| Tokenizer::cl100k().count(""));
    runtime.spawn(searcher.clone().keep_ready());
    runtime.block_on(async {
        let stop = stopped()?;
        if over_stdio {
            tracing::info!(index = %location, "serving on standard input and output");
            let timeout = Duration::from_secs(config.serve.timeout_seconds);
            let handler = Handler::new(searcher, Arc::<Metrics>::default(), timeout);
            return Ok(stdio::serve(handler, stop).await?);
        }
        let addresses = addresses(config).await?;
        let access = Access::decide(&addresses, tokens()?, config.serve.auth)
            .map_err(|error| usage(error.to_string()))?;
        let listener = TcpListener::bind(&addresses[..]).await.map_err(|error| {
            let advice = match error.kind() {
                ErrorKind::AddrInUse => {
                    "another program uses that port: stop it, or take another with --listen"
                }
                _ => "choose another address with --listen",
            };
            Failure::Other(anyhow::anyhow!("cannot listen on {}: {error}; {advice}", config.serve.listen))
        })?;
        let bound = listener.local_addr()?;
        let auth = if matches!(access, Access::Open) { "none" } else { "token" };
        let closing = CancellationToken::new();
        let router =
            App::new(searcher, access, &config.serve).router(&[bound], &config.serve, closing.clone());
        http::advise(&[bound], &config.serve);
        tracing::info!(index = %location, auth, "listening on http://{bound}/mcp");
        let grace = Duration::from_secs(config.serve.grace_seconds);
        Ok(http::serve(listener, router, stop, grace, closing).await?)
    })
}

/// Ends when the program is asked to: SIGINT or SIGTERM.
#[cfg(unix)]
fn stopped() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Ends when the program is asked to: Ctrl-C.
#[cfg(not(unix))]
fn stopped() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async {
        // Without a handler Ctrl-C ends the program by itself.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}

async fn ask(config: &Config, asked: Query, json: bool) -> Result<(), Failure> {
    let (_, searcher) = searcher(config)?;
    let failure = |error: CallError| match error {
        CallError::Invalid(message) => Failure::Usage(message),
        CallError::Index(error) => Failure::Index(error.to_string()),
    };
    let call = SearchCall::try_from(SearchArguments::from(asked)).map_err(failure)?;
    let answer = searcher.search(&call).await.map_err(failure)?.structured;
    print(&if json { budget::json(&answer) + "\n" } else { query::human(&answer) })
}

async fn ask_server(config: &Config, asked: Query, url: Option<String>, json: bool) -> Result<(), Failure> {
    let url = match url {
        Some(url) => url,
        None => {
            let listening = addresses(config).await?;
            let address = listening.first().map(healthcheck::reachable);
            let address = address.ok_or_else(|| usage("serve.listen is no address: say --url"))?;
            format!("http://{address}/mcp")
        }
    };
    let endpoint = Endpoint::parse(&url).map_err(|error| usage(error.to_string()))?;
    let answer = ask::ask(&endpoint, &SearchArguments::from(asked), tokens()?.first()).await?;
    print(&if json { answer.structured.to_string() + "\n" } else { answer.text + "\n" })
}

async fn check(config: &Config, json: bool) -> Result<(), Failure> {
    let (ok, health) = healthcheck::ask(&addresses(config).await?).await?;
    let parsed: serde_json::Value = serde_json::from_str(&health)?;
    let said = |key: &str| parsed[key].as_str().unwrap_or("unknown").to_owned();
    print(&if json { health + "\n" } else { format!("{}: index {}\n", said("status"), said("index")) })?;
    if ok { Ok(()) } else { Err(Failure::Quiet) }
}

fn completions(shell: clap_complete::Shell, shared: &Shared) -> Result<(), Failure> {
    if shared.index.is_some() || !shared.set.is_empty() {
        return Err(usage("completions reads neither index nor settings"));
    }
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "lectern-serve", &mut script);
    let script = String::from_utf8(script)?;
    print(&if shared.json {
        serde_json::json!({"shell": shell.to_string(), "script": script}).to_string() + "\n"
    } else {
        script
    })
}

/// Prints to standard output; colours are left out where it is no terminal or `NO_COLOR` is set.
/// A reader that has seen enough (`| head`) is no failure.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
