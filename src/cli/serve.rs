//! `clientele serve`

use std::time::Duration;

use super::Failure;
use super::signals::Signals;
use crate::server;
use crate::settings::Settings;

pub(super) fn run(settings: &Settings) -> Result<(), Failure> {
    let signals = Signals::watch(Duration::from_secs(settings.server.shutdown_timeout_seconds))?;
    actix_rt::System::new().block_on(async {
        let mut running = server::start(settings)?;
        signals.serving(running.stopper());
        if let Some(address) = running.metrics_address {
            log::info!("metrics on http://{address}/metrics");
        }
        log::info!("listening on http://{} with {}", running.address, running.database.target().system());
        running.serve().await?;
        signals.served();
        log::info!("stopped");
        Ok(())
    })
}
