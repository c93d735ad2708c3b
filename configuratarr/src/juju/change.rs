//! Commands that change the model itself: deploy, refresh, integrate.

use super::{Juju, JujuError};

/// A charm is uploaded, over whatever line there is: so many times longer than any other command it may take.
const LONGER: u32 = 10;

impl Juju {
    /// Runs a command that changes the model. What it says to people is given back.
    ///
    /// # Errors
    /// As any command of Juju's.
    pub async fn change(&self, arguments: &[String]) -> Result<String, JujuError> {
        let patient = Self {
            limit: self.limit.saturating_mul(LONGER),
            ..self.clone()
        };
        let output = patient.run(arguments).await?;
        Ok(output.out + &output.err)
    }

    /// What an option of an application is set to.
    ///
    /// # Errors
    /// As any command of Juju's.
    pub async fn option(&self, app: &str, option: &str) -> Result<String, JujuError> {
        let output = self.run(&["config", app, option].map(str::to_owned)).await?;
        Ok(output.out.trim().to_owned())
    }
}
