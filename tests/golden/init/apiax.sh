curl -X POST https://auth.apiax.io/auth/realms/apiax/protocol/openid-connect/token \
  -H "Content-Type: application/x-www-form-urlencoded" \
  -d client_id=integration-api -d grant_type=password \
  -d username=canary-apiax-user -d 'password=canary-apiax%26d'
