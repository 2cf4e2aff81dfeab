//! Selects the connection to close when there are too many. Must not know what a connection is.
//!
//! Anyone who reaches the port may open connections and leave them open. A new connection is always accepted. If its client
//! then has too many, the oldest connection of that client is closed; if there are too many in all, the oldest connection of
//! the client with the most. A probe gets its response before its connection is the oldest.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv6Addr};

/// The maximum number of open connections.
pub(super) const MOST: usize = 64;
/// The maximum number of open connections of one client.
pub(super) const MOST_OF_A_CLIENT: usize = 8;

/// The open connections, oldest first, each with its client and a handle that closes it.
pub(super) struct Connections<T> {
    open: VecDeque<(IpAddr, T)>,
}

impl<T> Connections<T> {
    pub(super) fn new() -> Self {
        Self { open: VecDeque::new() }
    }

    /// Adds a connection. If there are too many, returns the connection to close.
    pub(super) fn add(&mut self, client: IpAddr, connection: T) -> Option<T> {
        self.open.push_back((client, connection));
        let client_to_reduce = if self.count(client) > MOST_OF_A_CLIENT {
            client
        } else if self.open.len() > MOST {
            self.largest()?
        } else {
            return None;
        };
        let oldest = self.open.iter().position(|(client, _)| *client == client_to_reduce)?;
        self.open.remove(oldest).map(|(_, connection)| connection)
    }

    /// Removes connections that have ended.
    pub(super) fn retain(&mut self, open: impl Fn(&T) -> bool) {
        self.open.retain(|(_, connection)| open(connection));
    }

    fn count(&self, client: IpAddr) -> usize {
        self.open.iter().filter(|(other, _)| *other == client).count()
    }

    /// The client with the most connections; of several such clients, the one with the oldest connection.
    fn largest(&self) -> Option<IpAddr> {
        let clients = self.open.iter().map(|(client, _)| *client);
        clients.rev().max_by_key(|client| self.count(*client))
    }
}

/// The address that identifies a client. For IPv6, this is the /64 network, because a client usually has a whole network.
pub(super) fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn client_over_its_share_closes_its_own_oldest() {
        let mut connections = Connections::new();
        connections.add(address(9), 0);
        for number in 1..=MOST_OF_A_CLIENT {
            assert_eq!(connections.add(address(1), number), None);
        }
        assert_eq!(connections.add(address(1), 100), Some(1));
        assert_eq!(connections.add(address(9), 101), None, "another client has room");
    }

    #[test]
    fn newcomer_closes_the_oldest_of_the_largest_client() {
        let mut connections = Connections::new();
        for number in 0..MOST - 2 {
            let last = u8::try_from(number).unwrap();
            connections.add(address(last), number);
        }
        connections.add(address(3), 1000);
        connections.add(address(3), 1001);
        assert_eq!(connections.add(address(200), 1002), Some(3));
        assert_eq!(connections.add(address(201), 1003), Some(1000));
        assert_eq!(connections.add(address(202), 1004), Some(0), "all have one: the oldest of all");
    }

    #[test]
    fn addresses_of_one_network_are_one_client() {
        let parse = |text: &str| client(text.parse().unwrap());
        assert_eq!(parse("2001:db8:1:2::5"), parse("2001:db8:1:2:ffff::9"));
        assert_ne!(parse("2001:db8:1:2::5"), parse("2001:db8:1:3::5"));
        assert_eq!(parse("::ffff:10.0.0.1"), parse("10.0.0.1"));
        assert_ne!(parse("10.0.0.1"), parse("10.0.0.2"));
    }
}
