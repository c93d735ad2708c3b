//! Units that come and go, and lead.

use juju_charm::testing::Event;

use super::World;
use crate::content::Broken;
use crate::fault::Fault;
use crate::host::Host;

impl World {
    /// A second unit comes, with a volume of its own.
    pub fn scale_up(&mut self) -> Result<Option<String>, Broken> {
        if self.units.len() > 1 {
            return Ok(None);
        }
        let volume = self.place("volume");
        let unit = self.app.add_unit(1, Host::standby(volume));
        self.units.push(unit);
        for event in [
            Event::Install,
            Event::ConfigChanged,
            Event::Start,
            self.app.pebble_ready(),
        ] {
            self.dispatch_on(1, event, &Fault::nothing())?;
        }
        let changed = self.app.peers_changed(&self.units[0]);
        self.dispatch_on(1, changed, &Fault::nothing()).map(Some)
    }

    /// The unit with the highest number goes.
    pub fn scale_down(&mut self) -> Result<Option<String>, Broken> {
        if self.units.len() < 2 {
            return Ok(None);
        }
        for event in [Event::Stop, Event::Remove] {
            self.dispatch_on(1, event, &Fault::nothing())?;
        }
        let gone = self.units.pop().unwrap();
        let led = self.app.leads(&gone);
        self.app.forget_unit(&gone);
        if led {
            self.app.lead(&self.units[0]);
            self.dispatch(Event::LeaderElected, &Fault::nothing())?;
        }
        self.dispatch(Event::UpdateStatus, &Fault::nothing()).map(Some)
    }

    /// The other unit leads.
    pub fn change_leader(&mut self) -> Result<Option<String>, Broken> {
        let Some(next) = self.units.iter().position(|unit| !self.app.leads(unit)) else {
            return Ok(None);
        };
        self.app.lead(&self.units[next]);
        let said = self.dispatch_on(next, Event::LeaderElected, &Fault::nothing())?;
        self.dispatch_on(
            self.units.len() - 1 - next,
            Event::UpdateStatus,
            &Fault::nothing(),
        )?;
        Ok(Some(format!(
            "{} leads: {said}",
            self.app.name(&self.units[next])
        )))
    }
}
