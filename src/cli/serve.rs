//! `clientele serve`

use super::Failure;
use crate::server;
use crate::settings::Settings;

pub(super) fn run(settings: &Settings) -> Result<(), Failure> {
    actix_rt::System::new().block_on(async {
        let running = server::start(settings)?;
        log::info!("listening on http://{} with {}", running.address, running.database.target().system());
        running.serve().await?;
        log::info!("stopped");
        Ok(())
    })
}
