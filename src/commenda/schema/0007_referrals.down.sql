DROP TABLE referral_commissions, referrals;
