//! Tells somebody when a run fails, and when the source recovers.

use std::time::Duration;

use crate::daemon::state::Failures;
use crate::report::SourceReport;

/// A hook that does not answer by then is given up: the next run must not wait for it.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Posts the report to `url` as `{"event": "failed" | "recovered", "failures_in_a_row": N, "report": …}`
/// where a run failed, or succeeded after one that failed. The address may be a secret, so it is
/// never logged.
pub(super) async fn tell(url: Option<&str>, failures: Failures, report: &SourceReport) {
    let event = match failures {
        Failures { now: 1.., .. } => "failed",
        Failures { before: 1.., now: 0 } => "recovered",
        Failures { .. } => return,
    };
    let Some(url) = url else { return };
    let body = serde_json::json!({ "event": event, "failures_in_a_row": failures.now, "report": report });
    let sent = async {
        let client = reqwest::Client::builder().timeout(TIMEOUT).build()?;
        client.post(url).json(&body).send().await?.error_for_status()
    };
    if let Err(error) = sent.await {
        tracing::warn!(event, "the webhook could not be told: {}", error.without_url());
    }
}
