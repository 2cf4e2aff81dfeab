curl --cacert ca.pem --request POST --data '{"role_id": "988a9df-4a72", "secret_id": "canary-vault-secret"}' https://vault.example.com:8200/v1/auth/approle/login
