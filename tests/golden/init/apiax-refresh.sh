curl -X POST https://auth.apiax.io/auth/realms/apiax/protocol/openid-connect/token \
  -H "Content-Type: application/x-www-form-urlencoded" \
  --data-urlencode grant_type=refresh_token \
  --data-urlencode client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer \
  --data-urlencode client_id=integration-api --data-urlencode refresh_token=canary-apiax-refresh
