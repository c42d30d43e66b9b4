//! Logins whose parts are in the environment, and what of a login may be shown.

use std::fmt;
use std::sync::Arc;

use super::{Login, Profile};

/// What a name in the environment begins with, as in `$env:BROKER_PASSWORD`.
const ENVIRONMENT: &str = "$env:";

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let password = self.password.as_ref().map(|_| "<password>");
        f.debug_struct("Login")
            .field("username", &self.username)
            .field("password", &password)
            .finish()
    }
}

impl Profile {
    /// Puts what `lookup` knows by its name in place of `$env:NAME`, in every user name and password, setups included.
    ///
    /// # Errors
    /// A name that `lookup` does not know, with where it is.
    pub fn fill_logins(&mut self, lookup: &dyn Fn(&str) -> Option<String>) -> Result<(), String> {
        let users = self
            .users
            .iter_mut()
            .map(|(name, login)| (format!("users.{name}"), login));
        let login = self.login.iter_mut().map(|login| ("login".to_owned(), login));
        for (path, login) in login.chain(users) {
            for (part, text) in [("username", &mut login.username), ("password", &mut login.password)] {
                let Some(name) = text.as_deref().and_then(|text| text.strip_prefix(ENVIRONMENT)) else {
                    continue;
                };
                let found = lookup(name).ok_or_else(|| {
                    format!("{path}.{part}: there is no `{name}` in the environment, which `{ENVIRONMENT}{name}` names")
                })?;
                if found.len() > usize::from(u16::MAX) {
                    return Err(format!(
                        "{path}.{part}: `{name}` has more than 65535 bytes, which no CONNECT holds"
                    ));
                }
                *text = Some(found);
            }
        }
        for (name, setup) in &mut self.setups {
            Arc::make_mut(setup)
                .fill_logins(lookup)
                .map_err(|error| format!("setups.{name}.{error}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn profile(login: &str) -> Profile {
        let text = format!("name: x\nmqtt: mqtt://h\nlogin: {login}\nusers: {{ other: {{ password: $env:B }} }}\n");
        Profile::parse(&text, Path::new("p.yaml")).expect("a profile")
    }

    #[test]
    fn the_environment_takes_the_place_of_its_names() {
        let mut profile = profile("{ username: me, password: $env:A }");
        let lookup = |name: &str| Some(format!("value of {name}"));
        assert_eq!(profile.fill_logins(&lookup), Ok(()));
        let login = profile.login.as_ref().expect("a login");
        assert_eq!(login.username.as_deref(), Some("me"));
        assert_eq!(login.password.as_deref(), Some("value of A"));
        assert_eq!(profile.users["other"].password.as_deref(), Some("value of B"));
    }

    #[test]
    fn a_name_that_is_not_there_is_told_and_no_value_is() {
        let mut profile = profile("{ username: me, password: $env:A }");
        let lookup = |name: &str| (name == "A").then(|| "secret".to_owned());
        let error = profile.fill_logins(&lookup).expect_err("B is missing");
        assert!(
            error.contains("users.other.password") && error.contains("`B`"),
            "{error}"
        );
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn a_password_is_not_shown() {
        let shown = format!("{:?}", profile("{ username: me, password: secret }").login);
        assert!(shown.contains("me") && !shown.contains("secret"), "{shown}");
    }
}
