curl --request POST --url 'https://{yourDomain}/oauth/token' --header 'content-type: application/x-www-form-urlencoded' \
  --data grant_type=client_credentials --data client_id=YOUR_CLIENT_ID --data client_secret=YOUR_CLIENT_SECRET --data audience=YOUR_API_IDENTIFIER
