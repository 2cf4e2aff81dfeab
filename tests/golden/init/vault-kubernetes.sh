curl --request POST --data '{"jwt": "canary-vault", "role": "demo"}' https://vault.example.com:8200/v1/auth/kubernetes/login
