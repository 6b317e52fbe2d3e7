//! The command line: parses it, reads the configuration, starts what was asked for.

mod run;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::arguments::SearchArguments;

/// Exit code of a wrong command line or configuration.
const USAGE: u8 = 2;
/// Exit code of an index that could not be read.
const INDEX: u8 = 5;

const EXAMPLES: &str = "\
Examples:
  lectern-serve                                    serve lectern.db at http://127.0.0.1:8080/mcp
  lectern-serve --index docs.db --listen [::1]:0   another index, a free port
  LECTERN_TOKEN=… lectern-serve --listen 0.0.0.0:8080
                                                   for other machines
  lectern-serve --stdio                            for clients that start their servers
  lectern-serve query \"how do I install it\"        search the index from the command line
  lectern-serve ask \"how do I install it\"          ask a running server, as a client would
  lectern-serve query --json \"install\" | jq -r '.results[].permalink'

Exit codes: 0 done · 1 something failed · 2 wrong usage or configuration · 5 the index cannot be read
The log goes to standard error; LECTERN_LOG=debug says more.";

/// Answer searches on a Lectern index over MCP.
///
/// Serves Streamable HTTP at /mcp (with /health, /livez and /metrics beside it), or standard input
/// and output with --stdio. The index is made by `lectern-ingest sync` and only read here: a new
/// generation is picked up without a restart.
#[derive(Debug, Parser)]
#[command(name = "lectern-serve", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,

    /// Serve one client over standard input and output instead of HTTP
    #[arg(long, conflicts_with = "listen")]
    stdio: bool,

    #[command(flatten)]
    shared: Shared,
}

/// Options of every command.
#[derive(Debug, Args)]
struct Shared {
    /// The index: a path, sqlite://PATH, or http://HOST:6334/COLLECTION for Qdrant [default: lectern.db]
    #[arg(long, global = true, value_name = "URL")]
    index: Option<String>,

    /// The configuration [default: lectern.toml, where there is one]
    #[arg(long, global = true, value_name = "FILE", env = "LECTERN_CONFIG")]
    config: Option<PathBuf>,

    /// Override a setting, as in --set serve.max_concurrent=16; may be repeated
    #[arg(long, global = true, value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,

    /// Print JSON on standard output; a server logs JSON to standard error
    #[arg(long, global = true)]
    json: bool,

    /// Address and port to serve, or to check, port 0 being any free one [default: 127.0.0.1:8080]
    #[arg(long, global = true, value_name = "ADDRESS")]
    listen: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Search once and print the passages
    ///
    /// With --json it prints exactly the structured content of the tool search_docs.
    #[command(after_help = "Examples:\n  lectern-serve query \"when does a value get dropped\"\n  \
                            lectern-serve query --source rust-book --max-results 10 --json \"E0382\"")]
    Query(Query),
    /// Ask a running server over MCP, as a client would, and print its answer
    ///
    /// One call of search_docs over HTTP: shows that address, token, protocol and index work
    /// together. The token is read from LECTERN_TOKEN. With --json it prints the structured content.
    #[command(after_help = "Examples:\n  lectern-serve ask \"how do I install it\"\n  \
                            LECTERN_TOKEN=… lectern-serve ask --url http://10.0.0.5:8080/mcp \"install\"")]
    Ask {
        #[command(flatten)]
        query: Query,
        /// The server's MCP endpoint [default: /mcp at --listen]
        #[arg(long, value_name = "URL")]
        url: Option<String>,
    },
    /// Ask the server at --listen how it is: exit code 0 if it is well, 1 if not
    Healthcheck,
    /// Print a completion script for a shell
    #[command(
        after_help = "Example:\n  lectern-serve completions bash > ~/.local/share/bash-completion/completions/lectern-serve"
    )]
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Debug, Args)]
struct Query {
    /// What you look for
    text: String,
    /// At most this many passages, 1 to 50 [default: 5]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    max_results: Option<i64>,
    /// At most this many tokens, 200 to 20000 [default: 3000]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    max_tokens: Option<i64>,
    /// Only this source
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Only documents whose path begins so
    #[arg(long, value_name = "PATH")]
    path_prefix: Option<String>,
    /// Only sources that document this version
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Where the last answer ended
    #[arg(long, value_name = "CURSOR", allow_hyphen_values = true)]
    cursor: Option<String>,
}

impl From<Query> for SearchArguments {
    fn from(query: Query) -> Self {
        let Query { text, max_results, max_tokens, source, path_prefix, version, cursor } = query;
        Self { query: text, max_results, max_tokens, source, path_prefix, version, cursor }
    }
}

/// Why the program ends without success.
#[derive(Debug)]
enum Failure {
    /// The command line or the configuration is wrong.
    Usage(String),
    /// The index cannot be read.
    Index(String),
    /// Anything else.
    Other(anyhow::Error),
    /// It was said already.
    Quiet,
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

/// Runs the program.
pub fn main() -> ExitCode {
    // Before any thread is started, since it sets variables.
    let environment = lectern_index::config::read_env_file();
    let cli = Cli::parse();
    // A server's standard output is not for this.
    let json = cli.shared.json && cli.command.is_some();
    let outcome = match environment {
        Err(error) => Err(Failure::Usage(error.to_string())),
        Ok(warning) => run::run(cli, warning),
    };
    let (message, code) = match outcome {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Quiet) => return ExitCode::FAILURE,
        Err(Failure::Usage(message)) => (message, USAGE),
        Err(Failure::Index(message)) => (message, INDEX),
        Err(Failure::Other(error)) => (format!("{error:#}"), 1),
    };
    complain(&message);
    if json {
        use std::io::Write;
        let object = serde_json::json!({ "exit_code": code, "error": message });
        // Whoever closed the pipe does not want it.
        let _ = writeln!(std::io::stdout(), "{object}");
    }
    ExitCode::from(code)
}

fn complain(message: &str) {
    use std::io::Write;
    let style = anstyle::AnsiColor::Red.on_default().bold();
    // Nowhere is left to complain about a standard error that is closed.
    let _ = writeln!(anstream::stderr(), "{style}error:{style:#} {message}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
