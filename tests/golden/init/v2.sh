curl -X POST "https://{host}/oauth/v2/token" -u "canary-v2-id-as-secret" \
  -H 'Content-Type: application/x-www-form-urlencoded' -d grant_type=client_credentials
