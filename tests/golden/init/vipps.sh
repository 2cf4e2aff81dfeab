curl -X POST 'https://apitest.vipps.no/accesstoken/get' -H 'Content-Type: application/json' -H 'client_id: YOUR-CLIENT-ID' -H 'client_secret: canary-vipps' \
  -H 'Ocp-Apim-Subscription-Key: canary-vipps-key' -H 'Merchant-Serial-Number: 123456' -H 'User-Agent: acme/1.0' --data ''
