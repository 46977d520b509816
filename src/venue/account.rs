//! An account at the simulated exchange: fresh keys, registered nowhere.

use crate::exchange::{Account, Exchange};
use zeroize::Zeroizing;

/// Makes an account from fresh dice. For the simulated exchange only: `fastrand` is no source of
/// secrets.
///
/// # Errors
/// When no orders are simulated at this exchange, or the keys cannot be written.
pub fn generate_account(exchange: &dyn Exchange) -> Result<Account, String> {
    let accounts = exchange.mirror().accounts();
    let accounts =
        accounts.ok_or_else(|| format!("no orders are simulated at {}", exchange.name()))?;
    let mut seed = Zeroizing::new([0; 32]);
    fastrand::Rng::new().fill(&mut *seed);
    accounts.account(&seed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::by_name;

    #[test]
    fn each_account_has_keys_of_its_own_and_only_where_orders_are_simulated() {
        let keys = || {
            generate_account(by_name("binance").unwrap())
                .unwrap()
                .api_key
        };
        assert!(keys() != keys());
        let refused = generate_account(by_name("okx").unwrap()).err().unwrap();
        assert_eq!(refused, "no orders are simulated at okx");
    }
}
