//! Tells somebody when a run fails, and when the source recovers.

use std::time::Duration;

use crate::daemon::state::Change;
use crate::report::SourceReport;

/// A hook that does not answer by then is given up: the next run must not wait for it.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Posts the report to `url` as `{"event": "failed" | "recovered", "failures_in_a_row": N, "report": …}`
/// where the change is worth it. The address may be a secret, so it is
/// never logged.
pub(super) async fn tell(url: Option<&str>, change: &Change, report: &SourceReport) {
    let Some(event) = change.event else { return };
    let Some(url) = url else { return };
    let body = serde_json::json!({ "event": event, "failures_in_a_row": change.failures, "report": report });
    let sent = async {
        let client = reqwest::Client::builder().timeout(TIMEOUT).build()?;
        client.post(url).json(&body).send().await?.error_for_status()
    };
    if let Err(error) = sent.await {
        tracing::warn!(event, "the webhook could not be told: {}", error.without_url());
    }
}
