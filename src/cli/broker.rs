//! `mqttspec broker`

use crate::reference::{self, Config, Disobey, Free, Listen, Server};
use crate::statements::{Freedom, freedoms};
use crate::transport::Transport;
use crate::transport::tls::{self, Certificates};

use super::Exit;
use super::args::BrokerArgs;
use super::out::{fail, print};

/// Runs the reference broker by itself, until it is ended.
pub fn broker(args: &BrokerArgs) -> Exit {
    if args.list_faults {
        let lines: String = Disobey::all()
            .iter()
            .map(|d| format!("{:<32} {}\n", d.token(), d.what))
            .collect();
        print(&lines);
        return Exit::Ok;
    }
    if args.list_free {
        print(&freedoms().iter().map(line).collect::<String>());
        return Exit::Ok;
    }
    let further = [
        (Transport::Mqtts, args.mqtts),
        (Transport::Ws, args.ws),
        (Transport::Wss, args.wss),
    ];
    let further = further
        .into_iter()
        .filter_map(|(transport, address)| Some((transport, address?)));
    let mut listeners: Vec<Listen> = further.map(|(t, address)| Listen::At(t, address)).collect();
    listeners.extend(args.unix.clone().map(Listen::Unix));
    let addresses = listeners.iter().filter_map(|listen| match listen {
        Listen::At(_, address) => Some(*address),
        Listen::Unix(_) => None,
    });
    if let Some(open) = std::iter::once(args.listen)
        .chain(addresses)
        .find(|a| !a.ip().is_loopback())
    {
        return fail(Exit::Usage, format!("{open} is not a loopback address"));
    }
    let disobey = match Disobey::parse_all(args.fault.iter().map(String::as_str)) {
        Ok(disobey) => disobey,
        Err(error) => return fail(Exit::Usage, error),
    };
    let free = match Free::parse_all(args.free.iter().map(String::as_str)) {
        Ok(free) => free,
        Err(error) => return fail(Exit::Usage, error),
    };
    let config = Config {
        address: args.listen,
        listeners,
        tls: Some(tls::server(Certificates::shared(), false)),
        store: args.store.clone(),
        disobey,
        free,
        ..Config::default()
    };
    if let Some(folder) = &args.certificates
        && let Err(error) = Certificates::shared().write(folder)
    {
        let message = format!("cannot write certificates into {}: {error}", folder.display());
        return fail(Exit::Unreachable, message);
    }
    let started = |server: &Server| {
        for transport in Transport::ALL {
            if let Some(address) = server.address_of(transport) {
                print(&format!("listening on {transport}://{address}\n"));
            }
        }
        if let Some(path) = &args.unix {
            print(&format!("listening on unix:{}\n", path.display()));
        }
    };
    match reference::run(config, started) {
        Ok(()) => Exit::Ok,
        Err(error) => fail(Exit::Unreachable, format!("cannot listen on {}: {error}", args.listen)),
    }
}

/// One freedom of the list. Those without a switch have their name in brackets.
fn line(freedom: &Freedom) -> String {
    let name = match (freedom.switch, freedom.value) {
        (None, _) => format!("({})", freedom.name),
        (_, Some(value)) => format!("{}={value}", freedom.name),
        (_, None) => freedom.name.to_owned(),
    };
    format!(
        "{name:<30} {:<40} {:<14} {}\n",
        freedom.places(),
        freedom.kind.name(),
        freedom.text()
    )
}
