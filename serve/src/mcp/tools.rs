//! The four tools, as clients list them. Made once.

use std::sync::LazyLock;

use rmcp::model::{Tool, ToolAnnotations};

use super::schema;
use crate::answer::{FetchAnswer, ListAnswer, SearchAnswer, StatusAnswer};

/// The tools there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToolName {
    /// `search_docs`
    SearchDocs,
    /// `fetch_doc`
    FetchDoc,
    /// `list_docs`
    ListDocs,
    /// `get_index_status`
    GetIndexStatus,
}

impl ToolName {
    /// All of them, in the order they are listed.
    pub const ALL: [Self; 4] = [Self::SearchDocs, Self::FetchDoc, Self::ListDocs, Self::GetIndexStatus];

    /// The tool of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tool| tool.as_str() == name)
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SearchDocs => "search_docs",
            Self::FetchDoc => "fetch_doc",
            Self::ListDocs => "list_docs",
            Self::GetIndexStatus => "get_index_status",
        }
    }
}

/// All tools.
pub(super) fn all() -> &'static [Tool] {
    static TOOLS: LazyLock<Vec<Tool>> = LazyLock::new(|| ToolName::ALL.map(tool).to_vec());
    &TOOLS
}

fn tool(name: ToolName) -> Tool {
    let (title, description, input, output) = match name {
        ToolName::SearchDocs => (
            "Search the documentation",
            "Finds the passages of the indexed documentation that answer a question. Use it first, whenever \
             documentation may know: how something is done, what an option, function or error message means. \
             Ask with the words and identifiers the documentation would use. Returns passages with source, path, \
             lines and a permalink to cite, best first, within max_tokens. Not enough? Pass next_cursor as cursor, \
             or read around a passage with fetch_doc (path, start_line).",
            schema::search_input(),
            schema::output::<SearchAnswer>(),
        ),
        ToolName::FetchDoc => (
            "Read a document",
            "Reads a document whose path is known from search_docs or list_docs: all of it, the section under \
             heading, or from start_line on, within max_tokens. Use it when a passage found by search_docs breaks \
             off or needs its surroundings. A long document goes on with cursor.",
            schema::fetch_input(),
            schema::output::<FetchAnswer>(),
        ),
        ToolName::ListDocs => (
            "List the documents",
            "Lists documents with path, title, summary, the identifiers they speak of, and size. Use it to see what \
             is documented at all, to find a path, or when search_docs finds nothing. Narrow it by source and \
             path_prefix.",
            schema::list_input(),
            schema::output::<ListAnswer>(),
        ),
        ToolName::GetIndexStatus => (
            "State of the index",
            "Says which sources are indexed, at which commit, how old that is and how many commits behind, and how \
             results are found. Use it for the names source and version take, or when an answer may be out of date.",
            schema::status_input(),
            schema::output::<StatusAnswer>(),
        ),
    };
    let hints = ToolAnnotations::with_title(title)
        .read_only(true)
        .destructive(false)
        .idempotent(true)
        .open_world(false);
    Tool::new(name.as_str(), description, input)
        .with_title(title)
        .with_raw_output_schema(output)
        .with_annotations(hints)
}
