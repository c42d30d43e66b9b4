//! The setups of a profile: the same broker, configured in another way.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::check::{Check, Checked};
use super::{Profile, Transports, raw};
use crate::transport::Transport;

impl Check<'_> {
    /// Each setup as a profile of its own: `base`, with what the setup says in its place. Files, environment, `supports` and
    /// `users` are added to those of the base; everything else replaces it.
    pub(super) fn setups(
        &self,
        base: &Profile,
        raw: BTreeMap<String, raw::Setup>,
    ) -> Checked<Vec<(String, Arc<Profile>)>> {
        raw.into_iter()
            .map(|(name, raw)| {
                let setup = self.setup(base, &format!("setups.{name}"), raw)?;
                Ok((name, Arc::new(setup)))
            })
            .collect()
    }

    fn setup(&self, base: &Profile, path: &str, raw: raw::Setup) -> Checked<Profile> {
        let at = |key: &str| format!("{path}.{key}");
        let mut setup = base.clone();
        match &mut setup.process {
            Some(process) => {
                self.surroundings(path, &raw.files, &raw.files_over, &raw.env)?;
                if let Some(command) = raw.command {
                    self.command(&at("command"), &command)?;
                    process.command = command;
                }
                process.files.extend(raw.files);
                for (transport, files) in self.files_over(path, raw.files_over)? {
                    process.files_over.entry(transport).or_default().extend(files);
                }
                process.env.extend(raw.env);
            }
            None if raw.command.is_some() || !raw.files.is_empty() || !raw.env.is_empty() => {
                return Err(self
                    .key_error(path, "a setup that starts a broker, in a profile without a `process`")
                    .help("the address of a broker that is so configured, under `mqtt`"));
            }
            None if raw.mqtt.is_none() => {
                return Err(self
                    .key_error(path, "a setup without an address of its own")
                    .help("the address of a broker that is so configured, under `mqtt`"));
            }
            None => {}
        }
        if let Some(mqtt) = raw.mqtt {
            let starts = base.process.is_some();
            let endpoints = self.endpoints(&at("mqtt"), Transport::Mqtt, mqtt, starts)?;
            setup.transports = match starts {
                true => setup.transports.and(Transport::Mqtt, endpoints),
                // The other addresses of the base are those of another broker.
                false => Transports::only(Transport::Mqtt, endpoints),
            };
        }
        if let Some(login) = raw.login {
            setup.login = Some(self.login(&at("login"), login)?);
        }
        if let Some(denies) = raw.denies {
            setup.denies = self.denies(&at("denies"), denies)?;
        }
        if let Some(auth) = raw.auth {
            setup.auth = Some(self.auth(&at("auth"), auth)?);
        }
        setup.users.extend(self.users(&at("users"), raw.users)?);
        let supports = self.supports(&at("supports"), raw.supports, base.process.is_some())?;
        setup.supports = base.supports.with(&supports);
        Ok(setup)
    }
}
