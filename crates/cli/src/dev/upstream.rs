//! The upstream of the gateway: the demo model, or an upstream given on the command line.

use std::time::Duration;

use serde_json::Value;

use super::gateway::Sale;
use super::{DevError, Options};
use crate::demo_model::{self, DemoModel, Latency};

/// Timeout of the request for an upstream's list of models.
const LIST_TIMEOUT: Duration = Duration::from_secs(10);

/// Starts the demo model unless an upstream was given, and returns what is sold.
///
/// # Errors
/// [`DevError`] if the demo model does not start, or if the upstream's models cannot be listed.
pub async fn start(options: &Options) -> Result<(Option<DemoModel>, Sale), DevError> {
    if let Some(upstream) = &options.upstream {
        let model = match &options.model {
            Some(model) => model.clone(),
            None => first_model(upstream, options.upstream_api_key.as_deref()).await?,
        };
        let sale = Sale {
            upstream: upstream.clone(),
            model,
            free_model: None,
        };
        return Ok((None, sale));
    }
    let model = DemoModel::start(Latency::default())
        .await
        .map_err(DevError::DemoModel)?;
    let sale = Sale {
        upstream: model.url(),
        model: demo_model::MODEL.to_owned(),
        free_model: Some(demo_model::FREE_MODEL.to_owned()),
    };
    Ok((Some(model), sale))
}

/// Name of the first model that an upstream lists.
async fn first_model(upstream: &str, api_key: Option<&str>) -> Result<String, DevError> {
    let base = upstream.trim_end_matches('/').trim_end_matches("/v1");
    let mut request = reqwest::Client::new()
        .get(format!("{base}/v1/models"))
        .timeout(LIST_TIMEOUT);
    if let Some(api_key) = api_key {
        request = request.bearer_auth(api_key);
    }
    let listed = async {
        request
            .send()
            .await?
            .error_for_status()?
            .json::<Value>()
            .await
    };
    let models = listed.await.map_err(|error| DevError::NoModel {
        upstream: upstream.to_owned(),
        reason: error.without_url().to_string(),
    })?;
    models
        .pointer("/data/0/id")
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| DevError::NoModel {
            upstream: upstream.to_owned(),
            reason: "the list is empty".to_owned(),
        })
}
