//! A network that loses, doubles, delays and reorders, in virtual time and from a seed.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::random::Random;

/// How bad it is.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Share of packets that never arrive.
    pub loss: f64,
    /// Share of packets that arrive twice.
    pub duplication: f64,
    /// Least delay.
    pub delay: Duration,
    /// What may come on top of it, which is what reorders.
    pub jitter: Duration,
}

impl Weather {
    /// Every packet at once and in order.
    pub const FINE: Weather = Weather {
        loss: 0.0,
        duplication: 0.0,
        delay: Duration::from_millis(1),
        jitter: Duration::ZERO,
    };

    /// Up to `worst_loss`, with duplication, delay and reordering to match.
    pub fn random(random: &mut Random, worst_loss: f64) -> Weather {
        let share = |random: &mut Random| random.below(1001) as f64 / 1000.0;
        Weather {
            loss: worst_loss * share(random),
            duplication: 0.2 * share(random),
            delay: Duration::from_millis(random.below(200)),
            jitter: Duration::from_millis(random.below(400)),
        }
    }
}

/// Packets on their way, each with its destination.
#[derive(Debug)]
pub struct Network<T> {
    weather: Weather,
    random: Random,
    flying: BTreeMap<(Duration, u64), T>,
    sent: u64,
}

impl<T: Clone> Network<T> {
    /// An empty network.
    pub fn new(weather: Weather, seed: u64) -> Self {
        Self { weather, random: Random::new(seed), flying: BTreeMap::new(), sent: 0 }
    }

    /// Takes a packet at `now`.
    pub fn send(&mut self, now: Duration, packet: T) {
        if self.random.chance(self.weather.duplication) {
            self.launch(now, packet.clone());
        }
        self.launch(now, packet);
    }

    fn launch(&mut self, now: Duration, packet: T) {
        if self.random.chance(self.weather.loss) {
            return;
        }
        let jitter = self.random.below(self.weather.jitter.as_micros() as u64 + 1);
        let at = now + self.weather.delay + Duration::from_micros(jitter);
        self.sent += 1;
        self.flying.insert((at, self.sent), packet);
    }

    /// When the next packet arrives.
    pub fn next_arrival(&self) -> Option<Duration> {
        self.flying.first_key_value().map(|((at, _), _)| *at)
    }

    /// A packet that has arrived by `now`.
    pub fn receive(&mut self, now: Duration) -> Option<T> {
        if self.next_arrival()? > now {
            return None;
        }
        self.flying.pop_first().map(|(_, packet)| packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(9);

    #[test]
    fn fine_weather_delivers_everything_in_order() {
        let mut network = Network::new(Weather::FINE, 1);
        (0..10).for_each(|n| network.send(START, n));
        assert_eq!(network.receive(START), None);
        let later = START + Duration::from_millis(1);
        let arrived: Vec<_> = std::iter::from_fn(|| network.receive(later)).collect();
        assert_eq!(arrived, (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn bad_weather_loses_doubles_and_reorders() {
        let jitter = Duration::from_millis(50);
        let weather = Weather { loss: 0.3, duplication: 0.2, delay: Duration::ZERO, jitter };
        let mut network = Network::new(weather, 1);
        (0..1000).for_each(|n| network.send(START, n));
        let arrived: Vec<_> = std::iter::from_fn(|| network.receive(START + jitter)).collect();
        assert!((780..900).contains(&arrived.len()), "{}", arrived.len());
        assert!(!arrived.is_sorted());
    }
}
