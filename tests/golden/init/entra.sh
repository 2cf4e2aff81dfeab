curl -X POST -H "Content-Type: application/x-www-form-urlencoded" \
  -d 'client_id=535fb089-9ff3-47b6-9bfb-4f1264799865&scope=https%3A%2F%2Fgraph.microsoft.com%2F.default&client_secret=canary-entra&grant_type=client_credentials' \
  'https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token'
